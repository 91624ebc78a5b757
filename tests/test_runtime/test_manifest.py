"""The description of an exported system: what is wrong with it is said in one line."""

import hashlib
import json

import pytest

from mmktn.runtime.engines import open_engine
from mmktn.runtime.manifest import read_manifest
from mmktn.utils.user_error import UserError

GOOD = {
    "format": 1,
    "kind": "topdown",
    "engine": "onnx",
    "precision": "float",
    "name": "system",
    "surface": "procedural",
    "classes": ["person"],
    "parts": {"network": {"file": "network.onnx", "sha256": hashlib.sha256(b"x").hexdigest()}},
    "crop": {},
    "charts": {},
}


def write(folder, **changes):
    (folder / "mmktn.json").write_text(json.dumps(GOOD | changes))
    return folder


def test_a_description_reads_back(tmp_path):
    (tmp_path / "network.onnx").write_bytes(b"x")
    manifest = read_manifest(write(tmp_path))
    assert manifest.as_json() == GOOD
    assert manifest.file("network") == tmp_path / "network.onnx"


def test_a_file_that_was_changed_is_not_opened(tmp_path):
    (tmp_path / "network.onnx").write_bytes(b"y")
    with pytest.raises(UserError, match=r"network\.onnx is not the file"):
        read_manifest(write(tmp_path)).file("network")
    (tmp_path / "network.onnx").unlink()
    with pytest.raises(UserError, match="no such file"):
        read_manifest(write(tmp_path)).file("network")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 2}, "format 2"),
        ({"kind": "other"}, "kind 'other'"),
        ({"classes": "person"}, "classes is 'person', not a list"),
        ({"charts": None}, "charts is None, not a dict"),
        ({"parts": {}}, "parts.network is None"),
        ({"parts": {"network": {"file": "../network.onnx"}}}, "not a file of its folder"),
        ({"parts": {"network": {"file": "n.xml", "with": {"/etc/passwd": ""}}}}, "not a file of"),
        ({"parts": {"network": {"file": "n.onnx"}}}, "with its sha256"),
        ({"parts": GOOD["parts"] | {"more": {"file": "../n.onnx"}}}, "parts.more is"),
    ],
)
def test_a_description_of_another_kind_is_refused(tmp_path, changes, text):
    with pytest.raises(UserError, match=text):
        read_manifest(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "is no exported system"), ("[1]", "holds a list"), ("{", "not a JSON file")],
)
def test_other_folders_are_refused(tmp_path, content, text):
    if content is not None:
        (tmp_path / "mmktn.json").write_text(content)
    with pytest.raises(UserError, match=text):
        read_manifest(tmp_path)


@pytest.mark.parametrize(("engine", "name"), [("torchscript", "a.pt"), ("onnx", "a.xml")])
def test_an_engine_opens_its_own_files_alone(tmp_path, engine, name):
    with pytest.raises(UserError, match="export with --format onnx"):
        open_engine(engine, tmp_path / name)


def test_a_broken_network_is_an_error_of_its_file(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"a\.onnx: OnnxEngine cannot open it"):
        open_engine("onnx", tmp_path / "a.onnx")


def test_a_missing_engine_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"mmktn\[export\]"):
        open_engine("onnx", tmp_path / "a.onnx")
