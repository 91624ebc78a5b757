"""Training leaves whole checkpoints, and always one."""

import errno
import os
from collections import deque
from types import SimpleNamespace

import pytest
import torch
from mmengine.fileio import LocalBackend, dump
from mmengine.hooks import CheckpointHook
from mmengine.runner.checkpoint import save_checkpoint

import mmktn  # noqa: F401
from mmktn.utils.user_error import UserError


@pytest.fixture
def full_disk(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def test_files_are_written_as_before(tmp_path):
    files = LocalBackend()
    files.put(b"abc", tmp_path / "new" / "a.bin")
    files.put_text("ä", str(tmp_path / "b.txt"), encoding="latin-1")
    dump({"a": 1}, str(tmp_path / "c.json"))
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc"
    assert (tmp_path / "b.txt").read_bytes() == b"\xe4"
    assert (tmp_path / "c.json").read_text() == '{"a": 1}'
    save_checkpoint({"x": torch.ones(2)}, str(tmp_path / "d.pth"))
    assert torch.load(tmp_path / "d.pth", weights_only=True)["x"].tolist() == [1, 1]


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, full_disk):
    file = tmp_path / "iter_1.pth"
    file.write_bytes(b"older")
    with pytest.raises(UserError, match=r"iter_1\.pth cannot be written: the disk is full"):
        save_checkpoint({"x": torch.ones(2)}, str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["iter_1.pth"]
    assert file.read_bytes() == b"older"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("keep", "step", "left"),
    [(1, 3, ["iter_3.pth"]), (2, 3, ["iter_2.pth", "iter_3.pth"]), (1, 2, ["iter_2.pth"])],
)
def test_the_old_one_goes_when_the_new_one_is_there(tmp_path, fails, keep, step, left):
    def save(folder, name, *_, **__):
        if fails:
            raise UserError("full")
        (tmp_path / name).write_bytes(b"new")

    kept = range(3 - keep, 3)
    for number in kept:
        (tmp_path / f"iter_{number}.pth").write_bytes(b"old")
    hook = CheckpointHook(interval=1, by_epoch=False, max_keep_ckpts=keep)
    hook.out_dir, hook.file_backend = str(tmp_path), LocalBackend()
    hook.filename_tmpl, hook.keep_ckpt_ids = "iter_{}.pth", deque(kept, keep)
    said = {}
    runner = SimpleNamespace(
        message_hub=SimpleNamespace(update_info=said.__setitem__),
        save_checkpoint=save,
        work_dir=str(tmp_path / "work"),
    )
    (tmp_path / "work").mkdir()
    before = sorted(path.name for path in tmp_path.glob("*.pth"))
    if fails:
        with pytest.raises(UserError):
            hook._save_checkpoint_with_step(runner, step, meta={})
        assert sorted(path.name for path in tmp_path.glob("*.pth")) == before
        return
    hook._save_checkpoint_with_step(runner, step, meta={})
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == left
    assert list(hook.keep_ckpt_ids) == [int(name[5]) for name in left]
    assert said.get("keep_ckpt_ids", list(kept)) == list(hook.keep_ckpt_ids)
    assert (tmp_path / "work" / "last_checkpoint").read_text().endswith(f"iter_{step}.pth")
