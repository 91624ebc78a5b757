import json

import numpy as np
import pytest

from mmktn.evaluation.cli import main, report_main
from mmktn.formats.result_files import official_entry, save_npz
from tests.command_line import refused
from tests.test_evaluation import reference_cases
from tests.test_evaluation.builders import World
from tests.test_evaluation.test_functional.test_keypoints.test_oks import INDICES, keypoint_world

BODY = str(reference_cases.FOLDER / "body.npz")


@pytest.fixture
def files(tmp_path):
    world = World(0, grid=256.0)
    (tmp_path / "gt.json").write_text(json.dumps(world.data))
    detections = world.detections()
    entries = [official_entry(detections, k) for k in range(len(detections))]
    (tmp_path / "res.json").write_text(json.dumps(entries))
    save_npz(detections, tmp_path / "res.npz")
    return tmp_path


def run(folder, *more, results="res.json"):
    out = folder / "out.json"
    status = main(
        ["--gt", str(folder / "gt.json"), "--results", str(folder / results), "--surface", BODY,
         "--out", str(out), "--overwrite", *more]
    )  # fmt: skip
    return status, json.loads(out.read_text()) if out.is_file() else None


@pytest.mark.parametrize("results", ["res.json", "res.npz"])
def test_dense_results_are_scored_from_either_form(files, results, capsys):
    status, found = run(
        files, "--protocol", "clean", "--metric", "gps", "gpsm", "iou", "auc", results=results
    )
    assert status == 0
    assert found["values"]["gps/AP"] == pytest.approx(1)
    assert found["values"]["pointwise/IoU"] == pytest.approx(1)
    printed = capsys.readouterr().out
    assert "100.00" in printed
    assert "no ground truth in the area range 'large'" in printed


def test_ground_truth_is_found_under_its_other_name(files, capsys):
    (files / "gt.json").rename(files / "densepose_minival2014.json")
    arguments = ["--results", str(files / "res.json"), "--metric", "iou", "--quiet"]
    asked = ["--gt", str(files / "densepose_coco_2014_minival.json")]
    assert main([*asked, *arguments]) == 0
    (files / "densepose_minival2014.json").unlink()
    assert main([*asked, *arguments]) == 1
    assert "densepose_coco_2014_minival.json" in capsys.readouterr().err


def test_both_normalisers_have_keys_of_their_own(files):
    _, found = run(files, "--metric", "gps", "--normaliser", "per_part", "global", "--quiet")
    assert {"gps/AP", "gps_kappa0.255/AP"} <= found["values"].keys()
    assert found["reasons"]["gps/APl"]


def test_unusable_results_end_with_status_one_and_a_message(files, capsys):
    entries = json.loads((files / "res.json").read_text())
    entries[3]["image_id"] = 999
    entries[5]["uv_data"] = "nothing"
    (files / "res.json").write_text(json.dumps(entries))
    status, _ = run(files, "--quiet")
    assert status == 1
    assert "entry 3 (image 999): image_id is not in the ground truth" in capsys.readouterr().err
    status, found = run(files, "--skip-bad", "--quiet", "--protocol", "clean")
    assert status == 0
    assert any("2 detections left out" in note for note in found["notes"])
    assert 0.5 < found["values"]["gps/AR"] < 1


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("--gt", "none.json", "no file"),
        ("--results", "none.json", "no file"),
        ("--surface", "none.npz", "none.npz"),
    ],
)
def test_missing_files_are_named(files, capsys, argument, value, message):
    arguments = {"--gt": str(files / "gt.json"), "--results": str(files / "res.npz"),
                 "--surface": BODY} | {argument: value}  # fmt: skip
    assert main([part for pair in arguments.items() for part in pair]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "none" in error


def test_empty_results_print_a_reason(files, capsys):
    (files / "empty.json").write_text("[]")
    status, found = run(files, "--quiet", results="empty.json")
    assert status == 0
    assert found["values"]["gps/AP"] == -1
    assert "the result list is empty" in capsys.readouterr().out


def test_keypoint_results_are_recognised_with_their_protocol(tmp_path, capsys):
    data, results = keypoint_world(1, num_points=14, crowd_indices=INDICES)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    (tmp_path / "res.json").write_text(json.dumps(results))
    status, found = run(tmp_path)
    assert status == 0
    assert "keypoint protocol 'crowdpose'" in found["notes"]
    assert 0 < found["values"]["oks/APmedium_code0.2-0.8"] < 1
    results[0]["category_id"] = 4
    (tmp_path / "res.json").write_text(json.dumps(results))
    assert run(tmp_path)[0] == 1
    assert "entry 0" in capsys.readouterr().err
    status, found = run(tmp_path, "--skip-bad")
    assert "1 unusable results left out" in found["notes"]


def test_recall_of_results_on_true_boxes(tmp_path):
    data, _ = keypoint_world(1, num_points=14, crowd_indices=INDICES)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    results = []
    for a in data["annotations"]:
        points = np.array(a["keypoints"]).reshape(-1, 3)
        points[:, 2] = 0.55
        results.append({"annotation_id": a["id"], "keypoints": points.ravel().tolist()})
    (tmp_path / "res.json").write_text(json.dumps(results))
    _, found = run(tmp_path, "--metric", "recall")
    assert found["values"]["keypoints/recall@0.5"] == 1
    assert found["values"]["keypoints/recall@0.6"] == 0


def test_report_command_writes_the_page_and_the_numbers(files, capsys):
    common = ["--gt", str(files / "gt.json"), "--surface", BODY, "--quiet"]
    page, numbers = files / "new" / "page.html", files / "numbers.json"
    page.parent.mkdir()
    status = report_main(
        [str(files / "res.npz"), "--out", str(page), "--json", str(numbers), *common]
    )
    assert status == 0
    assert "<img" in page.read_text()
    assert json.loads(numbers.read_text())["values"].keys() >= {"gps/AP", "pointwise/AUC10"}
    assert f"wrote {page}" in capsys.readouterr().out
    assert report_main([str(files / "none.npz"), *common]) == 1
    assert "none.npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "points", "index", "message"),
    [
        ("crowdpose", 14, INDICES, None),
        ("coco", 17, None, None),
        ("ochuman", 17, None, None),
        ("crowdpose", 17, INDICES, "17 keypoints, those of crowdpose have 14; --keypoints coco"),
        ("coco", 14, INDICES, "14 keypoints, those of coco have 17; --keypoints crowdpose fits"),
        ("ochuman", 14, None, "those of ochuman have 17"),
        ("crowdpose", 14, None, "has no crowdIndex"),
    ],
)
def test_keypoint_sets_have_their_own_rules(name, points, index, message, tmp_path):
    data, results = keypoint_world(1, num_points=points, crowd_indices=index)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    (tmp_path / "res.json").write_text(json.dumps(results))
    out = tmp_path / "out.json"
    arguments = ["--gt", tmp_path / "gt.json", "--results", tmp_path / "res.json"]
    arguments += ["--keypoints", name, "--out", out, "--quiet"]
    if message is not None:
        refused(main, arguments, message)
        assert not out.exists()
        return
    assert main([str(argument) for argument in arguments]) == 0
    found = json.loads(out.read_text())
    protocol = "crowdpose" if name == "crowdpose" else "coco"
    assert f"keypoint protocol '{protocol}'" in found["notes"]
    easy = [key for key in found["values"] if "APeasy" in key]
    assert bool(easy) == (name == "crowdpose")
    refused(main, [*arguments, "--metric", "gps", "--overwrite"], "--keypoints goes with")
