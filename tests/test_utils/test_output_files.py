import os

import pytest

from mmktn.utils.output_files import (
    claim_folder,
    claim_output,
    claim_outputs,
    replace_atomically,
    replace_atomically_by_name,
    write_json,
)
from mmktn.utils.user_error import UserError


def test_a_new_file_may_be_written(tmp_path):
    assert claim_output(tmp_path / "new" / "a.json") == tmp_path / "new" / "a.json"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("spelling", ["a.pth", "sub/../a.pth", "link.pth", "hard.pth"])
def test_an_input_is_never_an_output(tmp_path, spelling, overwrite):
    source = tmp_path / "a.pth"
    source.write_bytes(b"mine")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.pth").symlink_to(source)
    os.link(source, tmp_path / "hard.pth")
    with pytest.raises(UserError, match="is an input"):
        claim_output(tmp_path / spelling, inputs=[source], overwrite=overwrite)


def test_an_input_that_is_missing_is_no_output_either(tmp_path):
    with pytest.raises(UserError, match="is an input"):
        claim_output(tmp_path / "x" / ".." / "gone", inputs=[tmp_path / "gone"])


def test_an_existing_file_needs_overwrite(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("mine")
    with pytest.raises(UserError, match=r"exists; .*--overwrite"):
        claim_output(file)
    assert claim_output(file, overwrite=True) == file
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="exists"):
        claim_output(dangling)


def test_places_that_cannot_hold_a_file(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("mine")
    with pytest.raises(UserError, match="is a folder"):
        claim_output(tmp_path, overwrite=True)
    with pytest.raises(UserError, match="no folder"):
        claim_output(file / "b" / "c.json")
    with pytest.raises(UserError, match="is a file"):
        claim_folder(file)
    with pytest.raises(UserError, match="no folder"):
        claim_folder(file / "b")
    assert claim_folder(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(UserError, match="cannot be written"):
        claim_output(tmp_path / ("x" * 300))


def _write_half(file):
    with replace_atomically(file) as handle:
        handle.write(b"new")
        raise RuntimeError("halfway")


def _write_half_by_name(file):
    with replace_atomically_by_name(file) as name:
        assert name.suffix == file.suffix
        name.write_bytes(b"new")
        raise RuntimeError("halfway")


@pytest.mark.parametrize("write_half", [_write_half, _write_half_by_name])
def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path, write_half):
    file = tmp_path / "deep" / "file.png"
    with replace_atomically(file) as handle:
        handle.write(b"old")
    with pytest.raises(RuntimeError, match="halfway"):
        write_half(file)
    assert file.read_bytes() == b"old"
    assert [f.name for f in file.parent.iterdir()] == ["file.png"]


def test_written_files_have_the_permissions_of_new_files(tmp_path):
    with replace_atomically_by_name(tmp_path / "a.txt") as name:
        name.write_text("x")
    (tmp_path / "b.txt").write_text("x")
    modes = {(tmp_path / name).stat().st_mode for name in ("a.txt", "b.txt")}
    assert len(modes) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.json cannot be written: the disk is full"):
        write_json(file, {"a": 1})
    assert file.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["a.json"]


def test_outputs_of_a_run_are_claimed_together(tmp_path):
    photo, other = tmp_path / "a.png", tmp_path / "b.png"
    photo.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path)
    new = tmp_path / "out" / "a.png"
    assert claim_outputs([new], inputs=[photo, other]) == [new]
    for spelling in (photo, tmp_path / "link" / "a.png", other):
        with pytest.raises(UserError, match="is an input of this command"):
            claim_outputs([new, spelling], inputs=[photo, other], overwrite=True)
    with pytest.raises(UserError, match="two results would both be written to"):
        claim_outputs([new, new])
    (tmp_path / "c.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.png and 1 more files exist; .*--overwrite"):
        claim_outputs([photo, tmp_path / "c.png"])
    assert claim_outputs([photo], overwrite=True) == [photo]
    assert photo.read_bytes() == b"mine"


def test_a_long_name_is_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    write_json(path, [1])
    assert path.read_text() == "[1]"
