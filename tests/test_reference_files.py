"""The folder of the parity files: a mistyped one is an error, not a suite without parity tests."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("reference_files.py")
COPIES = SCRIPT.parent / "data/reference"


def load(monkeypatch, folder):
    monkeypatch.setenv("MMKTN_REFERENCE_DIR", str(folder))
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "without npz"])
def test_folder_without_files_is_refused(exists, tmp_path, monkeypatch):
    folder = tmp_path / "mistyped"
    if exists:
        (folder / "keys").mkdir(parents=True)
    with pytest.raises(
        FileNotFoundError,
        match=r"MMKTN_REFERENCE_DIR=.*mistyped holds no \.npz file, so .*unset it",
    ):
        load(monkeypatch, folder)


def test_folder_of_the_users_own_is_read_and_keys_fall_back(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", input=np.zeros(1))
    np.savez(tmp_path / "b.npz", image_bgr=np.zeros(1))
    found = load(monkeypatch, tmp_path)
    assert [path.name for path in found["files"]("branch")] == ["a.npz"]
    assert [path.name for path in found["files"]("detector")] == ["b.npz"]
    assert found["files"]("stip") == []
    assert found["KEYS"] == COPIES / "keys"


def test_empty_variable_stands_for_the_copies(monkeypatch):
    found = load(monkeypatch, "")
    assert found["FOLDER"] == COPIES
    assert found["files"]("stip")
