"""What the page exports is what the trainer takes."""

import json

import cv2
import numpy as np
import pytest

from mmktn.annotation.body_parts import coarse_scheme
from mmktn.annotator.body import Body
from mmktn.annotator.coco import write_export
from mmktn.annotator.part_maps import encode_runs
from mmktn.annotator.photos import Photos
from mmktn.annotator.project import Project
from mmktn.annotator.store import MAIN, Store
from mmktn.formats.masks import merge_dp_masks
from mmktn.surface import load_surface
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from tests.test_annotator.conftest import ANN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Four rendered photos, labelled as the page does, with true places."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "images").mkdir()
    options = GeneratorOptions(scene=SceneOptions(size_hw=(96, 128), people=(1, 2)))
    samples = [make_sample(options, "val", index) for index in range(4)]
    for sample in samples:
        name = sample.records["coco"][0]["file_name"]
        cv2.imwrite(str(folder / "images" / name), sample.picture[..., ::-1])
    store = Store(folder / "labels.sqlite", durable=False)
    body = Body(load_surface(), coarse_scheme())
    project = Project(store, Photos([folder / "images"]), body)
    photos = {photo["name"]: photo["id"] for photo in store.photos()}
    for sample in samples:
        image, people = sample.records["coco"]
        maps, uv = sample.labels.maps, sample.labels.maps.uv()
        for record in people:
            person = project.add_person(ANN, photos[image["file_name"]], record["bbox"])
            grid = merge_dp_masks(record["dp_masks"])
            project.set_parts(ANN, person, encode_runs(grid), "drawn")
            x, y, w, h = record["bbox"]
            for point in project.make_points(ANN, person):
                column, row = int(x + point["x"] * w / 256), int(y + point["y"] * h / 256)
                chart = int(maps.chart[row, column])
                value = {"skip": True}
                if chart:
                    value = {"I": chart, "U": uv[0, row, column], "V": uv[1, row, column]}
                project.store.write(ANN, person, MAIN, [("click", str(point["id"]), value)])
            project.set_stage(ANN, person, MAIN, "done")
    people, problems = write_export(project, folder / "annotations.json")
    assert problems == []
    assert people == sum(len(sample.records["coco"][1]) for sample in samples)
    store.close()
    return folder


def test_a_system_trains_on_it(exported, tmp_path):
    from tests.test_tools.test_training import train

    lines = train(exported, tmp_path / "work", 2, resume=False, num_workers=0)
    assert [line["step"] for line in lines] == [1, 2]
    for line in lines:
        assert line["loss_fine_segm"] > 0
        assert line["loss_u"] > 0
        assert np.isfinite(line["loss"])


def test_the_whole_checker_finds_nothing(exported):
    from mmktn.formats.file_check import check_file

    file, images = str(exported / "annotations.json"), str(exported / "images")
    assert list(check_file(file, images, decode_images=True, needs=("dense pose",))) == []
    data = json.loads((exported / "annotations.json").read_text())
    assert all(len(person["dp_x"]) > 10 for person in data["annotations"])
