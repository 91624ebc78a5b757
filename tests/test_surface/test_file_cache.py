from mmktn.surface.file_cache import cache_folder


def test_folder_is_the_variable_or_the_home_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MMKTN_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "mmktn"
