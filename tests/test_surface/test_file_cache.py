import pytest

from mmktn.surface.file_cache import cache_folder, replace_atomically, single_writer


def test_folder_is_the_variable_or_the_home_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MMKTN_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "mmktn"


def _write_half(file):
    with replace_atomically(file) as handle:
        handle.write(b"new")
        raise RuntimeError("halfway")


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    file = tmp_path / "deep" / "file.bin"
    with replace_atomically(file) as handle:
        handle.write(b"old")
    with pytest.raises(RuntimeError, match="halfway"):
        _write_half(file)
    assert file.read_bytes() == b"old"
    assert [f.name for f in file.parent.iterdir()] == ["file.bin"]


def test_lock_can_be_taken_again_after_an_error(tmp_path):
    file = tmp_path / "file.bin"
    with pytest.raises(RuntimeError, match="inside"), single_writer(file):
        raise RuntimeError("inside")
    with single_writer(file):
        file.write_bytes(b"x")
    assert file.read_bytes() == b"x"
