import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmktn.surface.parts import CHART_TO_COARSE, COCO_KEYPOINT_NAMES
from mmktn.synthetic.annotate import UV_STEPS, crowd_index
from mmktn.synthetic.dataset import generate_split
from mmktn.synthetic.sample import CROWDPOSE_KEYPOINT_NAMES, GeneratorOptions
from mmktn.synthetic.scene import SceneOptions

SMALL = SceneOptions(size_hw=(128, 96), people=(1, 3))
COUNT = 6


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small set in both formats, its files and its content."""
    out = tmp_path_factory.mktemp("synthetic")
    options = GeneratorOptions(seed=3, scene=SMALL, formats=("coco", "crowdpose"))
    return out, generate_split(out, "train", COUNT, options=options), options


def images_and_maps(out, content):
    for image in content["images"]:
        maps = np.load(out / "dense" / "train" / image["file_name"].replace(".jpg", ".npz"))
        people = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        yield image, maps, people


def test_pycocotools_reads_it_and_areas_and_boxes_match(written, capsys):
    out, files, _ = written
    coco = COCO(out / "annotations" / "densepose_train.json")
    capsys.readouterr()
    assert sorted(coco.getImgIds()) == [image["id"] for image in files["coco"]["images"]]
    assert len(coco.getAnnIds()) == len(files["coco"]["annotations"]) >= COUNT
    assert coco.loadCats(1)[0]["keypoints"] == list(COCO_KEYPOINT_NAMES)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        assert mask.sum() == annotation["area"] == coco_mask.area(annotation["segmentation"])
        assert coco_mask.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]
        points = np.reshape(annotation["keypoints"], (17, 3))
        assert annotation["num_keypoints"] == (points[:, 2] > 0).sum() > 0
        assert annotation["iscrowd"] == 0


def test_dense_maps_agree_with_segmentations_and_pictures(written):
    out, files, _ = written
    for image, maps, people in images_and_maps(out, files["coco"]):
        picture = cv2.imread(str(out / "train" / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3) == (128, 96, 3)
        assert set(np.unique(maps["instance"])) - {0} == set(range(1, len(people) + 1))
        for k, person in enumerate(people):
            mask = coco_mask.decode(person["segmentation"])
            body = maps["instance"] == k + 1
            # The outline adds clothes and hair, about as much as in photographs.
            assert not (body & (mask == 0)).any()
            assert body.sum() > 0.55 * mask.sum()
        np.testing.assert_array_equal(maps["chart"] > 0, maps["instance"] > 0)
        assert maps["chart"].max() <= 24


def test_points_read_the_dense_maps_and_obey_the_coverage_law(written):
    out, files, options = written
    for _, maps, people in images_and_maps(out, files["coco"]):
        for k, person in enumerate(people):
            x0, y0, w, h = person["bbox"]
            lengths = {len(person[f"dp_{c}"]) for c in "xyIUV"}
            assert len(lengths) == 1
            x = (x0 + np.array(person["dp_x"]) * w / 256).astype(int)
            y = (y0 + np.array(person["dp_y"]) * h / 256).astype(int)
            assert (maps["instance"][y, x] == k + 1).all()
            np.testing.assert_array_equal(maps["chart"][y, x], person["dp_I"])
            np.testing.assert_allclose(maps["u"][y, x] / UV_STEPS, person["dp_U"], atol=5e-7)
            np.testing.assert_allclose(maps["v"][y, x] / UV_STEPS, person["dp_V"], atol=5e-7)
            assert len(set(zip(x, y, strict=True))) == len(x)
            parts = CHART_TO_COARSE[np.array(person["dp_I"], int)]
            assert np.bincount(parts).max() <= 14
            own = maps["chart"][maps["instance"] == k + 1]
            assert set(parts) == set(CHART_TO_COARSE[own])
            assert person["area"] >= options.min_pixels
            filled = [part for part in range(1, 15) if person["dp_masks"][part - 1] != []]
            assert set(filled) >= set(parts)


def test_crowd_index_can_be_recomputed_from_the_file(written):
    out, files, _ = written
    for content in files.values():
        for image, _, people in images_and_maps(out, content):
            points = np.stack([np.reshape(p["keypoints"], (-1, 3)) for p in people])
            index = crowd_index([p["bbox"] for p in people], points)
            # Keypoints in the file are rounded to 0.01 pixel.
            assert image["crowdIndex"] == pytest.approx(index, abs=1e-4)


def test_both_formats_hold_the_same_people(written):
    _, files, _ = written
    shared = [CROWDPOSE_KEYPOINT_NAMES.index(n) for n in COCO_KEYPOINT_NAMES[5:]]
    assert files["crowdpose"]["categories"][0]["keypoints"] == list(CROWDPOSE_KEYPOINT_NAMES)
    for one, other in zip(
        files["coco"]["annotations"], files["crowdpose"]["annotations"], strict=True
    ):
        assert one["bbox"] == other["bbox"]
        coco, crowd = (np.reshape(a["keypoints"], (-1, 3)) for a in (one, other))
        np.testing.assert_array_equal(coco[5:], crowd[shared])
        assert "dp_x" in one
        assert "dp_x" not in other


def test_result_does_not_depend_on_workers_and_grows_at_its_end(written, tmp_path):
    out, files, options = written
    again = generate_split(tmp_path, "train", COUNT - 2, options=options, workers=2)
    count = len(again["coco"]["annotations"])
    assert again["coco"]["annotations"] == files["coco"]["annotations"][:count]
    assert again["coco"]["images"] == files["coco"]["images"][: COUNT - 2]
    made = sorted(
        p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.suffix in (".jpg", ".npz")
    )
    assert len(made) == 2 * (COUNT - 2)
    for path in made:
        assert (tmp_path / path).read_bytes() == (out / path).read_bytes()


def test_negative_count_is_named(tmp_path):
    with pytest.raises(ValueError, match="-1 images"):
        generate_split(tmp_path, "train", -1, options=GeneratorOptions())


def test_file_is_plain_json(written):
    out, files, _ = written
    text = (out / "annotations" / "crowdpose_train.json").read_text(encoding="utf-8")
    assert json.loads(text)["annotations"] == files["crowdpose"]["annotations"]
