"""Persons one by one give the numbers of whole images."""

import json

import numpy as np
import pytest

from mmktn.evaluation.metrics import (
    DensePoseMetric,
    PointwiseDensePoseMetric,
    TopdownDensePoseMetric,
    TopdownPointwiseMetric,
)
from tests.test_evaluation.test_metrics.test_densepose_metric import sample


@pytest.fixture
def ann_file(tmp_path, world):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(world.data))
    return path


def image_samples(world):
    detections = world.spoiled()
    detections.boxes_xywh = detections.boxes_xywh.astype(np.float32).astype(np.float64)
    return [sample(world, image["id"], detections) for image in world.data["images"]]


def person_samples(images):
    """One sample a detection, of all images mixed."""
    persons = [
        {"img_id": image["img_id"], "id": k, "pred_instances": image["pred_instances"][k : k + 1]}
        for image in images
        for k in range(len(image["pred_instances"]))
    ]
    return [persons[i] for i in np.random.default_rng(0).permutation(len(persons))]


def test_same_numbers_as_whole_images(world, ann_file, surface):
    images = image_samples(world)
    whole = DensePoseMetric(str(ann_file), surface)
    whole.process({}, images)
    expected = whole.evaluate(len(images))
    single = TopdownDensePoseMetric(str(ann_file), surface)
    persons = person_samples(images)
    for start in range(0, len(persons), 3):
        single.process({}, persons[start : start + 3])
    # The last batch of several processes repeats persons.
    single.process({}, persons[:2])
    assert single.evaluate(len(persons) + 2) == pytest.approx(expected)
    assert single.results == []
    assert expected["densepose/gps/AP"] > 0


def test_images_in_which_nobody_was_found_count_as_missed(world, ann_file, surface):
    images = image_samples(world)
    empty = images[0]["pred_instances"]
    images[0] = {**images[0], "pred_instances": empty[:0]}
    whole = PointwiseDensePoseMetric(str(ann_file), surface)
    whole.process({}, images)
    expected = whole.evaluate(len(images))
    single = TopdownPointwiseMetric(str(ann_file), surface)
    persons = person_samples(images)
    assert images[0]["img_id"] not in {person["img_id"] for person in persons}
    single.process({}, persons)
    assert single.evaluate(len(persons)) == pytest.approx(expected)
    assert expected["pointwise/missed"] > 0


def test_result_file_holds_every_person_once(world, ann_file, surface, tmp_path):
    persons = person_samples(image_samples(world))
    metric = TopdownDensePoseMetric(
        str(ann_file), surface, format_only=True, outfile_prefix=str(tmp_path / "out")
    )
    metric.process({}, persons + persons[:1])
    assert metric.evaluate(len(persons) + 1) == {}
    entries = json.loads((tmp_path / "out.densepose.json").read_text())
    assert len(entries) == len(persons)


def test_missing_field_names_the_image(world, ann_file, surface):
    person = person_samples(image_samples(world))[0]
    del person["pred_instances"].densepose
    with pytest.raises(ValueError, match=f"image {person['img_id']}: .*no field 'densepose'"):
        TopdownDensePoseMetric(str(ann_file), surface).process({}, [person])
