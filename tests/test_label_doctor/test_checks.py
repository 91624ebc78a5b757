"""Faults planted one by one into the labels of a rendered person."""

import copy
import json
import re

import cv2
import numpy as np
import pytest

from mmktn.annotation.body_parts import scheme_for, scheme_from_json
from mmktn.formats.annotation_checks import AnnotationError
from mmktn.label_doctor import command
from mmktn.label_doctor.examination import examine, mended
from mmktn.label_doctor.findings import KINDS, Finding, ranked
from mmktn.label_doctor.page import page
from mmktn.label_doctor.point_checks import opposite_vertices, point_findings
from mmktn.label_doctor.records import LabelledPerson, labelled_people
from mmktn.surface import load_surface
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.utils.user_error import UserError
from tests.command_line import refused
from tests.ring_doll import PARTS, ring_doll
from tests.tool_modules import tool_module

_planted = tool_module("projects/label_doctor/planted.py")
Planted, score = _planted.Planted, _planted.score


@pytest.fixture(scope="module")
def surface():
    return load_surface()


@pytest.fixture(scope="module")
def sample():
    scene = SceneOptions(size_hw=(320, 256), people=(1, 1))
    return make_sample(GeneratorOptions(seed=5, scene=scene), "val", 1)


@pytest.fixture
def data(sample):
    image, people = copy.deepcopy(sample.records["coco"])
    names = list(scheme_for(load_surface()).keypoints)
    category = {"id": 1, "name": "person", "keypoints": names}
    return {"images": [image], "annotations": people, "categories": [category]}


@pytest.fixture
def planter(surface):
    return _planted._Planter(surface, scheme_for(surface), np.random.default_rng(3))


def look(data, surface, **options):
    return examine(data, "x.json", surface=surface, scheme=scheme_for(surface), **options)


def kinds_at(findings, point):
    return [finding.kind for finding in findings if point in finding.points]


def test_exact_labels_are_left_in_peace(data, surface):
    points = len(data["annotations"][0]["dp_x"])
    assert points > 60
    assert len(look(data, surface)) <= 0.03 * points


@pytest.mark.parametrize("kind", ["side", "front back", "far", "off person", "off part"])
def test_most_planted_points_are_found(data, surface, planter, kind):
    (person,) = data["annotations"]
    placed = [planter.point(person, k, kind) for k in range(3, len(person["dp_x"]), 8)]
    planted = [place for place in placed if place is not None]
    findings = look(data, surface)
    kinds = [kinds_at(findings, place) for place in planted]
    assert len(planted) >= 4
    # What is put 20 cm away on its own part may still look likely.
    least = 0.5 if kind == "far" else 0.7
    assert sum(map(bool, kinds)) >= least * len(planted)
    assert sum(kind in found for found in kinds) >= 0.4 * len(planted)


def test_a_mirrored_limb_contradicts_the_keypoints(data, surface, planter):
    assert planter.person(data["annotations"][0], "part side") is not None
    assert "part side" in [finding.kind for finding in look(data, surface)]


def test_doubles_are_found_and_mended(data, surface):
    (person,) = data["annotations"]
    for name in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "dp_vertex"):
        person[name].append(person[name][4])
    data["annotations"].append({**copy.deepcopy(person), "id": 9_999_999})
    findings = look(data, surface)
    kinds = [finding.kind for finding in findings]
    assert kinds.count("duplicate") == 1
    assert kinds.count("duplicate point") == 2
    before = copy.deepcopy(data)
    new, changes = mended(data, findings)
    assert data == before  # never in place
    assert len(new["annotations"]) == 1
    assert len(new["annotations"][0]["dp_x"]) == len(person["dp_x"]) - 1
    assert len(new["annotations"][0]["dp_vertex"]) == len(person["dp_x"]) - 1
    assert {change["did"] for change in changes} == {"drop annotation", "drop point"}
    assert [f.kind for f in look(new, surface) if f.kind.startswith("duplicate")] == []


def test_a_mirrored_point_is_mended_to_where_it_was(data, surface, planter):
    (person,) = data["annotations"]
    original = copy.deepcopy(person)
    for index in range(0, len(person["dp_x"]), 9):
        planter.point(person, index, "side")
    new, changes = mended(data, look(data, surface))
    mended_points = [c["point"] for c in changes if c["did"] == "set point"]
    assert len(mended_points) >= 4
    (fixed,) = new["annotations"]
    assert "dp_vertex" not in fixed  # the vertices of mirrored points were those of the other side
    for index in mended_points:
        assert fixed["dp_I"][index] == original["dp_I"][index]
        assert fixed["dp_U"][index] == pytest.approx(original["dp_U"][index], abs=0.01)
        assert fixed["dp_V"][index] == pytest.approx(original["dp_V"][index], abs=0.01)


def test_boxes_and_people_without_points(data, surface):
    (person,) = data["annotations"]
    second = copy.deepcopy(person)
    second["id"] = 77
    for name in ("dp_masks", "dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "dp_vertex", "ref_model"):
        del second[name]
    x, y, w, h = person["bbox"]
    second["bbox"] = [x, y, 0.5 * w, h]
    second["segmentation"] = copy.deepcopy(person["segmentation"])
    data["annotations"].append(second)
    found = {f.kind: f for f in look(data, surface) if f.annotation_id == 77}
    assert {"box"} <= set(found)
    second["bbox"] = [x, y, w, h]
    assert "no points" in {f.kind for f in look(data, surface) if f.annotation_id == 77}


def test_pictures_of_another_set_are_found_at_another_size(data, surface, sample, tmp_path):
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    file = tmp_path / "own" / data["images"][0]["file_name"]
    cv2.imwrite(str(file), sample.picture[..., ::-1])
    small = cv2.resize(sample.picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "other" / "b.jpg"), small[..., ::-1], [1, 70])
    noise = np.random.default_rng(0).integers(0, 255, small.shape, np.uint8)
    cv2.imwrite(str(tmp_path / "other" / "a.jpg"), noise)
    options = {"images": tmp_path / "own", "kinds": ["shared picture"]}
    assert look(data, surface, **options) == []
    (found,) = look(data, surface, other_images=tmp_path / "other", **options)
    assert "looks the same as" in found.message
    assert "b.jpg" in found.message


class FootModel:
    """Says that every pixel shows chart 5 (a foot)."""

    def places(self, image, box_xyxy):
        h, w = image.shape[:2]
        return np.full((h, w), 5), np.full((2, h, w), 0.5), (0, 0)


def test_a_model_may_disagree(data, surface, sample, tmp_path):
    cv2.imwrite(str(tmp_path / data["images"][0]["file_name"]), sample.picture[..., ::-1])
    options = {"images": tmp_path, "kinds": ["model"], "model": FootModel()}
    findings = look(data, surface, **options)
    charts = np.array(data["annotations"][0]["dp_I"])
    assert len(findings) >= (~np.isin(charts, (5, 11, 12, 13, 14))).sum() - 2
    assert all(finding.severity < 0.6 for finding in findings)


class MuteModel:
    """Cannot work on any box."""

    def places(self, image, box_xyxy):
        raise UserError("takes no boxes")


def test_what_a_model_does_not_say_is_noted(data, surface, sample, tmp_path):
    file = tmp_path / data["images"][0]["file_name"]
    cv2.imwrite(str(file), sample.picture[..., ::-1])
    notes = []
    options = {"images": tmp_path, "kinds": ["model"], "model": MuteModel(), "note": notes.append}
    assert look(data, surface, **options) == []
    cv2.imwrite(str(file), sample.picture[:-9, :, ::-1])
    assert look(data, surface, **options) == []
    assert ["takes no boxes" in notes[0], "311" in notes[1]] == [True, True]


def test_a_picture_of_another_size_gives_no_crop(data, surface, tmp_path):
    """Its boxes lie elsewhere, or outside of it."""
    image, (person,) = data["images"][0], data["annotations"]
    cv2.imwrite(str(tmp_path / image["file_name"]), np.zeros((8, 8, 3), np.uint8))
    people = labelled_people(data, "x.json", surface, scheme_for(surface))
    finding = Finding("box", 0.5, "text", image["id"], person["id"])
    notes = []
    options = {"images": tmp_path, "records": [image], "note": notes.append}
    assert "data:image" not in page([finding], people, title="t", **options)
    assert len(notes) == 1


def test_points_of_no_place_on_the_body_are_ranked(tmp_path):
    """The file is of another body: no distance, and still an order."""
    ring = ring_doll()
    columns = {"dp_x": [9.0, 9.0], "dp_y": [9.0, 9.0], "dp_I": [20.0, 20.0]}
    record = {"id": 1, "image_id": 1, "bbox": [0, 0, 50, 50], **columns}
    record.update(dp_U=[0.5, 0.5], dp_V=[0.5, 0.5])
    person = LabelledPerson(record, {"id": 1}, ring, scheme_from_json(PARTS, ring, "p.json"))
    (found,) = point_findings(person)
    assert (found.kind, found.severity) == ("duplicate point", pytest.approx(0.85))


def test_points_with_vertices_alone_are_refused(data, surface):
    for name in ("dp_I", "dp_U", "dp_V"):
        del data["annotations"][0][name]
    with pytest.raises(UserError, match="no charts"):
        look(data, surface)


def test_a_broken_file_is_the_checkers(data, surface):
    data["annotations"][0]["dp_U"][0] = 3.0
    with pytest.raises(AnnotationError, match="dp_U"):
        look(data, surface)


def test_the_other_side_of_a_part_is_behind(surface):
    opposite = opposite_vertices(surface, scheme_for(surface))
    mesh = surface.mesh
    known = np.flatnonzero(opposite >= 0)
    assert len(known) > 0.9 * mesh.num_vertices
    facing = (mesh.vertex_normals[known] * mesh.vertex_normals[opposite[known]]).sum(axis=1)
    assert facing.max() < -0.3 + 1e-9


def test_the_order_is_that_of_severity():
    findings = [Finding(kind, 0.5, "", 1) for kind in reversed(list(KINDS))]
    findings.append(Finding("box", 0.9, "", 1))
    assert [f.kind for f in ranked(findings)] == ["box", *KINDS]


def test_scores_are_counted_by_hand():
    planted = [Planted("side", 1, 0), Planted("side", 1, 1), Planted("far", 1, 2),
               Planted("duplicate", 2)]  # fmt: skip
    findings = [
        Finding("side", 0.5, "", 1, 1, (0,)),
        Finding("far", 0.5, "", 1, 1, (1,)),
        Finding("side", 0.5, "", 1, 1, (7,)),
        Finding("duplicate", 0.5, "", 1, 2),
    ]
    found = {entry.kind: entry for entry in score(planted, findings)}
    side = found["side"]
    assert (side.planted, side.found, side.named, side.findings, side.right) == (2, 2, 1, 2, 1)
    assert (side.recall, side.precision) == (1.0, 0.5)
    assert (found["far"].found, found["far"].right) == (0, 1)
    assert found["duplicate"].precision == 1


def test_the_command_writes_page_list_and_copy(data, sample, tmp_path, planter, capsys):
    name = "<b>&.jpg"
    data["images"][0]["file_name"] = name
    (tmp_path / "images").mkdir()
    _, code = cv2.imencode(".jpg", sample.picture[..., ::-1])
    (tmp_path / "images" / name).write_bytes(code.tobytes())
    for index in range(0, 60, 6):
        planter.point(data["annotations"][0], index, "side")
    file = tmp_path / "ann.json"
    file.write_text(json.dumps(data))
    before = file.read_bytes()
    arguments = [str(file), "--images", str(tmp_path / "images"),
                 "--out", str(tmp_path / "d.html"), "--json", str(tmp_path / "d.json"),
                 "--fixed", str(tmp_path / "fixed.json")]  # fmt: skip
    assert command.main(arguments) == 0
    assert file.read_bytes() == before
    text = (tmp_path / "d.html").read_text()
    listed = json.loads((tmp_path / "d.json").read_text())
    assert len(re.findall("<article ", text)) == len(listed) > 3
    assert [f["severity"] for f in listed] == sorted((f["severity"] for f in listed), reverse=True)
    assert "data:image/jpeg;base64," in text
    assert "<b>&.jpg" not in text
    assert "http" not in text
    changes = json.loads((tmp_path / "fixed.changes.json").read_text())
    assert all(change["annotation_id"] == data["annotations"][0]["id"] for change in changes)
    refused(command.main, arguments, "exist")
    refused(
        command.main, [file, "--images", tmp_path / "no", "--out", tmp_path / "e.html"], "no folder"
    )
    refused(command.main, [file, "--images", tmp_path, "--out", file, "--overwrite"], "is an input")
    refused(command.main, [*arguments, "--overwrite", "--most", "-1"], "--most -1")
