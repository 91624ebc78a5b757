import json

import numpy as np
import pytest

from mmktn.annotation.points import GRID
from mmktn.annotator.coco import export_coco, import_coco
from mmktn.annotator.part_maps import decode_runs
from mmktn.annotator.photos import Photos
from mmktn.annotator.project import Project
from mmktn.annotator.store import FINAL, MAIN, Store
from mmktn.formats.annotation_checks import AnnotationError, file_problems
from mmktn.formats.masks import merge_dp_masks, segmentation_mask
from mmktn.utils.user_error import UserError
from tests.test_annotator.conftest import ANN, click_all, four_parts


@pytest.fixture
def full(project, labelled):
    """A person with everything; one point skipped, one not asked yet."""
    click_all(project, ANN, labelled)
    points = project.store.value(labelled, MAIN, "points")
    project.skip(ANN, labelled, MAIN, points[0]["id"], seconds=3.0)
    project.store.write(ANN, labelled, MAIN, [("click", str(points[1]["id"]), None)])
    project.set_keypoint(ANN, labelled, "left_end", [30.5, 40.5, 2])
    project.finish_boxes(ANN, 1, True)
    return labelled


def test_the_checker_accepts_an_export(project, full):
    data = export_coco(project)
    assert list(file_problems(data, "x.json")) == []
    (image,), (person,) = data["images"], data["annotations"]
    assert (image["file_name"], image["width"], image["height"]) == ("a.png", 200, 120)
    assert person["bbox"] == [10, 10, 100, 100]
    assert len(person["dp_x"]) == len(person["dp_I"]) == 54
    np.testing.assert_array_equal(merge_dp_masks(person["dp_masks"]), decode_runs(four_parts(), 4))
    assert len(person["dp_masks"]) == 14
    assert person["keypoints"] == [30, 40, 2, 0, 0, 0]
    assert data["categories"][0]["supercategory"] == "ring"
    extra = person["mmktn"]
    assert extra["parts"] == {"source": "drawn"}
    assert extra["seconds"]["main"]["Ann"] == pytest.approx(56 * 2 + 3)
    assert len(extra["skipped"]) == 1


def test_the_outline_is_that_of_the_parts(project, full):
    (person,) = export_coco(project)["annotations"]
    mask = segmentation_mask(person["segmentation"], (120, 200))
    assert person["area"] == mask.sum()
    grid = decode_runs(four_parts(), 4) > 0
    assert mask.sum() == pytest.approx(grid.mean() * 100 * 100, rel=0.02)
    # Each point lies in the outline.
    x = 10 + np.array(person["dp_x"]) * 100 / GRID
    y = 10 + np.array(person["dp_y"]) * 100 / GRID
    assert mask[y.astype(int), x.astype(int)].mean() > 0.95


def test_adjudicated_places_count(project, full):
    point = project.store.value(full, MAIN, "points")[5]["id"]
    value = {"I": 3, "U": 0.25, "V": 0.75, "vertex": 7}
    project.store.lease(ANN, full, FINAL)
    project.store.write(ANN, full, FINAL, [("click", str(point), value)])
    (person,) = export_coco(project)["annotations"]
    at = [k for k, (u, v) in enumerate(zip(person["dp_U"], person["dp_V"], strict=True))
          if (u, v) == (0.25, 0.75)]  # fmt: skip
    assert [person["dp_I"][k] for k in at] == [3]


def test_hidden_pictures_are_not_exported(project):
    project.add_hidden(1)
    assert export_coco(project)["annotations"] == []


def test_what_was_exported_comes_back(project, full, tmp_path, ring_body):
    before = export_coco(project)
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(before))
    again = Project(
        Store(tmp_path / "n.sqlite", durable=False), Photos(project.photos.folders), ring_body
    )
    assert import_coco(again, file) == 1
    after = export_coco(again)
    for data in (before, after):
        for person in data["annotations"]:
            del person["mmktn"]["seconds"], person["id"]
    assert after["annotations"] == before["annotations"]
    assert after["images"] == before["images"]
    with pytest.raises(UserError, match="holds people already"):
        import_coco(again, file)
    again.store.close()


def with_vertices_alone(person):
    """Points as continuous surface embeddings have them."""
    count = len(person["dp_x"])
    for name in ("dp_I", "dp_U", "dp_V"):
        del person[name]
    person.update(dp_vertex=[0] * count, ref_model="smpl_27554")


@pytest.mark.parametrize(
    ("change", "match", "kind"),
    [
        (lambda d: d["images"][0].update(file_name="z.png"), r"z\.png is not among", UserError),
        (lambda d: d["annotations"][0].update(bbox=[0, 0, -1, 5]), "field bbox", AnnotationError),
        (lambda d: d["annotations"][0]["dp_I"].__setitem__(0, 9), "chart 9 is of no", UserError),
        (lambda d: d["annotations"][0]["dp_U"].__setitem__(0, 2.0), "field dp_U", AnnotationError),
        (lambda d: with_vertices_alone(d["annotations"][0]), "no charts", UserError),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_import_nothing(
    project, full, tmp_path, ring_body, change, match, kind
):
    data = export_coco(project)
    change(data)
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(data))
    again = Project(
        Store(tmp_path / "n.sqlite", durable=False), Photos(project.photos.folders), ring_body
    )
    with pytest.raises(kind, match=match):
        import_coco(again, file)
    assert again.store.people() == []
    again.store.close()
