"""The three commands, on small input."""

import json

import numpy as np
import pytest
from PIL import Image

from mmktn.annotation.part_views import PartViews
from tests.command_line import refused
from tests.tool_modules import tool_module

WRONG_PARTS = {
    "text.png": b"no picture",
    "cut.npy": b"\x93NUMPY\x01\x00",
    "promise.npy": b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 999999), }".ljust(117)
    + b"\n",
}


def tool(name):
    return tool_module(f"tools/annotation/{name}.py")


def test_points_of_a_part_picture(tmp_path, capsys):
    parts = np.zeros((60, 40), np.uint8)
    parts[5:50, 5:30] = 1
    parts[50:58, 10:20] = 5
    Image.fromarray(parts).save(tmp_path / "parts.png")
    arguments = [
        tmp_path / "parts.png",
        "--out",
        tmp_path / "p.json",
        "--picture",
        tmp_path / "p.png",
    ]
    assert tool("sample_points").main([str(a) for a in arguments]) == 0
    points = json.loads((tmp_path / "p.json").read_text())
    assert {1, 5} == set(points["part"])
    assert points["part"].count(1) == 14
    assert 0 < min(points["dp_x"]) <= max(points["dp_x"]) < 256
    assert "torso" in capsys.readouterr().out
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (11 * 29, 11 * 57)  # the box and two pixels around it, 640 / 57
    sample = tool("sample_points").main
    refused(sample, arguments, "p.json and 1 more files exist")
    refused(sample, [tmp_path / "none.png", "--out", tmp_path / "x.json"], "none.png: No such file")
    refused(sample, [tmp_path / "parts.png", "--out", tmp_path / "parts.png"], "is an input")
    for name in WRONG_PARTS:
        (tmp_path / name).write_bytes(WRONG_PARTS[name])
        refused(sample, [tmp_path / name, "--out", tmp_path / "x.json"], name)
    Image.new("RGB", (9, 9)).save(tmp_path / "colour.png")
    refused(sample, [tmp_path / "colour.png", "--out", tmp_path / "x.json"], "mode RGB, not L or P")
    assert not (tmp_path / "x.json").exists()


def test_views_and_a_click(tmp_path, capsys):
    arguments = [
        "--out",
        str(tmp_path),
        "--parts",
        "14",
        "--size",
        "64",
        "--click",
        "0",
        "32",
        "32",
    ]
    assert tool("render_part_views").main(arguments) == 0
    views = PartViews.load(tmp_path / "14_head.npz")
    point = views.pick(0, 32, 32)
    assert f"I = {point.chart}, U = {point.u:.3f}" in capsys.readouterr().out
    with Image.open(tmp_path / "14_head.png") as picture:
        assert picture.size == (192, 128)
    render = tool("render_part_views").main
    refused(render, arguments, "14_head.npz and 1 more files exist")
    again = [*arguments, "--overwrite"]
    refused(render, [*again[:-3], "99", "0", "--overwrite"], "--click: .*outside the picture")
    refused(render, ["--out", tmp_path, "--parts", 99], "99")
    refused(render, ["--out", tmp_path / "14_head.npz", "--parts", 1], "is a file")
    refused(render, ["--out", tmp_path / "new", "--parts", 1, "--size", -4], "size")
    refused(render, ["--out", tmp_path / "new", "--surface", tmp_path / "14_head.npz"], "surface")
    assert not (tmp_path / "new").exists()
    assert PartViews.load(tmp_path / "14_head.npz").pick(0, 32, 32).chart == point.chart


def test_pairs_of_people_are_measured(tmp_path, capsys):
    pairs = [{"image": "a", "true": [10, 500], "annotated": [10, 500]}]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    out = tmp_path / "out"
    arguments = ["--pairs", str(tmp_path / "pairs.json"), "--out", str(out), "--upper", "0.1"]
    assert tool("annotator_error").main(arguments) == 0
    assert json.loads((out / "errors.json").read_text())["mean_m"] == 0
    assert (out / "error.png").stat().st_size > 0
    (tmp_path / "pairs.json").write_text('[{"image": "a"}]')
    measure = tool("annotator_error").main
    refused(measure, arguments, "exist")
    for content in ('[{"image": "a"}]', '[{"image": "a", "true": [[]], "annotated": "x"}]', "{}"):
        (tmp_path / "pairs.json").write_text(content)
        refused(measure, [*arguments, "--overwrite"], "pairs")
    (tmp_path / "pairs.json").write_text('[{"image": "a", "true": [9999999], "annotated": [1]}]')
    refused(measure, [*arguments, "--overwrite"], "a: .*vert")
    (tmp_path / "pairs.json").write_text("[" * 10**5)
    refused(measure, [*arguments, "--overwrite"], "nested too deep")
    assert json.loads((out / "errors.json").read_text())["mean_m"] == 0


@pytest.mark.slow
def test_simulated_annotators_err_as_much_as_their_noise(tmp_path):
    means = []
    for click in ("0", "0.04"):
        out = tmp_path / click
        arguments = ["--simulate", "2", "--out", str(out), "--click-noise", click]
        arguments += ["--side-confusion", "0", "--size", "160", "128", "--view-size", "128"]
        assert tool("annotator_error").main(arguments) == 0
        means.append(json.loads((out / "errors.json").read_text())["mean_m"])
        assert json.loads((out / "pairs.json").read_text())[0]["true"]
    # Without noise the step of the views' pixels and of the mesh is left.
    assert means[0] < 0.01 < means[1] < 0.08
