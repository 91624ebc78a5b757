import runpy
import sys
from pathlib import Path

import pytest

from mmktn.utils import config_path
from mmktn.utils.config_path import read_config, resolve_config

ROOT = Path(__file__).parents[2]


def write_config(folder, name="a_r18_smoke.py", text="model = dict(type='A')\n"):
    path = folder / "configs" / "family" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "configs" / "_base_").mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_source_tree_is_found_by_path_and_by_bare_name():
    name = "densepose-rcnn_r50_fpn_s1x_dp-coco.py"
    expected = ROOT / "configs" / "densepose" / name
    # An editable install links `.mim/configs` to the sources: the same file by another path.
    assert Path(resolve_config(f"mmktn::densepose/{name}")).samefile(expected)
    assert Path(resolve_config(f"mmktn::{name}")).samefile(expected)
    assert read_config(f"mmktn::{name}").model.type == "mmdet.FasterRCNN"


def test_installed_copy_wins_over_sources(tmp_path, monkeypatch):
    package = tmp_path / "mmktn"
    installed = write_config(package / ".mim")
    write_config(tmp_path)
    monkeypatch.setattr(config_path, "_PACKAGE", package)
    assert Path(resolve_config("mmktn::family/a_r18_smoke.py")) == installed


def test_paths_stay_as_they_are():
    assert resolve_config("some/where.py") == "some/where.py"


def test_wrong_names_are_answered_with_similar_ones():
    with pytest.raises(FileNotFoundError, match="densepose-rcnn_r50_fpn_s1x_dp-coco"):
        resolve_config("mmktn::densepose/densepose-rcnn_r50_fpn_s1x_dp-cocoo.py")
    with pytest.raises(ValueError, match="mmdet::x"):
        resolve_config("mmdet::x/y.py")


@pytest.mark.parametrize(
    "wrong",
    [
        "configs/densepose/ktn2_r50_fpn_s1x_dp-cocoo.py",  # misspelt
        "ktn2_r50_fpn_s1x_dp-coco.py",  # from another folder
        "ktn2_r50_fpn_s1x_dp-coco",  # without its ending
    ],
)
def test_missing_paths_are_answered_with_ours_of_similar_name(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="config not found") as error:
        read_config(wrong)
    assert f"config not found: {wrong}; similar: " in str(error.value)
    assert "mmktn::densepose/ktn2_r50_fpn_s1x_dp-coco.py" in str(error.value)


def test_neighbours_of_similar_name_are_offered_by_their_path(tmp_path):
    path = write_config(tmp_path)
    with pytest.raises(FileNotFoundError, match="similar: ") as error:
        read_config(path.with_name("a_r18_smok.py"))
    assert str(path) in str(error.value)


def test_nothing_similar_is_said_plainly(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"zzzzzzzz\.py$"):
        read_config(tmp_path / "zzzzzzzz.py")


def test_missing_host_is_named_and_other_import_errors_surface(tmp_path):
    text = "custom_imports = dict(imports=['{}'], allow_failed_imports=False)\n"
    other = write_config(tmp_path, text=text.format("no_such_module_at_all"))
    with pytest.raises(ImportError) as caught:
        read_config(other)
    assert "which is not installed" not in str(caught.value)


@pytest.mark.parametrize("tool", ["train.py", "test.py"])
@pytest.mark.parametrize("config", ["mmktn::densepose/none_r50.py", "none_r50.py"])
def test_tools_name_a_missing_config_in_one_line(tool, config, monkeypatch, capsys):
    arguments = [config, *(["none.pth"] if tool == "test.py" else [])]
    monkeypatch.setattr(sys, "argv", [tool, *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    assert stop.value.code == 1
    assert "none_r50.py" in capsys.readouterr().err.splitlines()[-1]
