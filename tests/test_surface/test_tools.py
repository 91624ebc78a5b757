"""The command lines of tools/surface on small inputs."""

import runpy
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mmktn.surface import load_surface
from mmktn.surface.io import surface_from_reference_body
from tests.command_line import refused, run_script
from tests.test_surface.official_writer import write_official_folder

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "data" / "reference" / "metrics" / "body.npz"


def _run(monkeypatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    run_script(ROOT / "tools" / "surface" / f"{name}.py")


def _main(name: str):
    return runpy.run_path(str(ROOT / "tools" / "surface" / f"{name}.py"))["main"]


def test_official_folder_becomes_one_file_with_distances_beside(monkeypatch, tmp_path):
    body = surface_from_reference_body(REFERENCE)
    write_official_folder(tmp_path, body, body.geodesics.condensed)
    out = tmp_path / "made" / "smpl.npz"
    out.parent.mkdir()
    _run(monkeypatch, "import_surface", tmp_path, "--out", out, "--distances", "float16")
    surface = load_surface(out)
    np.testing.assert_array_equal(surface.atlas.uv, body.atlas.uv)
    assert surface.symmetry is not None
    assert surface.geodesics.condensed.dtype == np.float16
    a, b = np.random.default_rng(0).integers(0, 1746, (2, 500))
    gap = surface.geodesics.distance(a, b) - body.geodesics.distance(a, b)
    # half a step of float16 below 4 m
    assert np.abs(gap).max() <= 2**-10


def test_import_error_is_one_line(tmp_path):
    main = _main("import_surface")
    refused(main, [tmp_path, "--out", tmp_path / "x.npz"], r"SMPL_subdiv\.mat is missing")
    (tmp_path / "SMPL_subdiv.mat").write_bytes(b"mine")
    refused(main, [tmp_path, "--out", tmp_path / "SMPL_subdiv.mat"], "is an input")
    (tmp_path / "SMPL_SUBDIV_TRANSFORM.mat").write_bytes(b"mine")
    refused(main, [tmp_path, "--out", tmp_path / "x.npz", "--overwrite"], r"SMPL_\w+\.mat")
    assert (tmp_path / "SMPL_subdiv.mat").read_bytes() == b"mine"


def test_pictures_show_the_right_hand_on_the_left_in_front(monkeypatch, tmp_path):
    _run(monkeypatch, "draw_charts", "--out", tmp_path, "--height", 160)
    with Image.open(tmp_path / "charts.png") as picture:
        assert picture.height == 160
    assert (tmp_path / "charts_uv.png").is_file()
    main = _main("draw_charts")
    refused(main, ["--out", tmp_path], "exist")
    refused(main, ["--out", tmp_path / "charts.png"], "is a file")
    refused(main, ["--out", tmp_path / "x", "--height", 0], "--height 0")
    refused(main, ["--out", tmp_path / "x", "--surface", tmp_path / "charts.png"], "charts.png")
    (tmp_path / "made.npz").write_bytes(b"mine")
    building = ROOT / "projects" / "human_body"
    monkeypatch.syspath_prepend(str(building))
    main = runpy.run_path(str(building / "build_body.py"))["main"]
    refused(main, ["--out", tmp_path / "made.npz"], "exists")
    tool = runpy.run_path(str(ROOT / "tools" / "surface" / "draw_charts.py"))
    body = load_surface()
    _, raster = tool["view"](body, back=False, height=160)
    places = tool["label_places"](raster, body.atlas.face_charts)
    assert places[3][0] < places[2][0] < places[4][0]
    assert 1 not in places
