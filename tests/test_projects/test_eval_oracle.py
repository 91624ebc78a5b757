import json

import numpy as np
import pytest

from mmktn.formats.result_files import save_npz
from tests.test_evaluation import reference_cases
from tests.test_evaluation.builders import World
from tests.tool_modules import tool_module


@pytest.fixture(scope="module")
def tool():
    return tool_module("projects/oracle/eval_oracle.py")


@pytest.fixture
def arguments(tmp_path):
    world = World(6, grid=256.0)
    (tmp_path / "gt.json").write_text(json.dumps(world.data))
    save_npz(world.spoiled(), tmp_path / "res.npz")
    return [
        "--gt", str(tmp_path / "gt.json"), "--results", str(tmp_path / "res.npz"), "--surface",
        str(reference_cases.FOLDER / "body.npz"), "--protocol", "clean",
        "--out", str(tmp_path / "o.json"),
    ]  # fmt: skip


def test_table_has_a_row_per_combination(tool, arguments, tmp_path, capsys):
    assert tool.main(arguments) == 0
    rows = {r["name"]: r for r in json.loads((tmp_path / "o.json").read_text())["rows"]}
    assert len(rows) == 16
    full = rows["mask+surface+v+u"]
    assert full["mask"]
    assert full["u"]
    assert rows["none"]["values"]["gps/AP"] < full["values"]["gps/AP"]
    assert "surface" in capsys.readouterr().out


def test_raw_outputs_must_cover_every_detection(tool, arguments, tmp_path, capsys):
    np.savez(tmp_path / "raw.npz", fine_segm_0=np.zeros((25, 4, 4)))
    assert tool.main([*arguments, "--raw", str(tmp_path / "raw.npz"), "--quiet"]) == 1
    assert "no field 'coarse_segm_0'" in capsys.readouterr().err
    assert tool.main([*arguments, "--raw", str(tmp_path / "none.npz")]) == 1
    assert "no file" in capsys.readouterr().err


def test_the_table_takes_the_place_of_no_input(tool, arguments, tmp_path, capsys):
    before = (tmp_path / "gt.json").read_bytes()
    changed = [*arguments[:-1], str(tmp_path / "gt.json"), "--overwrite", "--quiet"]
    assert tool.main(changed) == 1
    assert "is an input" in capsys.readouterr().err
    assert (tmp_path / "gt.json").read_bytes() == before


def test_published_rows_are_those_of_the_slides(tool, arguments, tmp_path):
    assert tool.main([*arguments, "--rows", "published", "--quiet"]) == 0
    rows = json.loads((tmp_path / "o.json").read_text())["rows"]
    assert [r["name"] for r in rows][:3] == ["none", "mask", "mask+v+u"]
    assert len(rows) == 7
