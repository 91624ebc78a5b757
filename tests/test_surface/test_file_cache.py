import pytest

from mmktn.surface.file_cache import cache_folder, single_writer


def test_folder_is_the_variable_or_the_home_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MMKTN_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "mmktn"


def test_lock_can_be_taken_again_after_an_error(tmp_path):
    file = tmp_path / "file.bin"
    with pytest.raises(RuntimeError, match="inside"), single_writer(file):
        raise RuntimeError("inside")
    with single_writer(file):
        file.write_bytes(b"x")
    assert file.read_bytes() == b"x"
