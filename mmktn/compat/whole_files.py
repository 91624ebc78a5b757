"""Let training write files whole or not at all, and drop an old checkpoint after the new one.

mmengine opens a checkpoint under its own name and writes into it: a disk that is full, or a process
that is killed, leaves a part of a checkpoint. And its hook removes the oldest checkpoint that it
keeps before it writes the next one, so that `max_keep_ckpts=1` leaves none at all then.

Upstream thread, which recommends `max_keep_ckpts=1`: open-mmlab/mmengine#1165.
"""

from functools import wraps
from types import ModuleType
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_patched: list[str] = []


def _put(self: Any, obj: bytes, filepath: Any) -> None:
    """Write bytes to a file; its folder is created."""
    from mmktn.utils.output_files import replace_atomically

    with replace_atomically(filepath) as handle:
        handle.write(obj)


def _put_text(self: Any, obj: str, filepath: Any, encoding: str = "utf-8") -> None:
    """Write text to a file; its folder is created."""
    _put(self, obj.encode(encoding), filepath)


def _patch_backend(module: ModuleType) -> None:
    """Replace the writers of files on this machine."""
    backend: Any = module.LocalBackend
    backend.put, backend.put_text = _put, _put_text
    _patched.append(module.__name__)


def _patch_hook(module: ModuleType) -> None:
    """Let the hook remove a checkpoint after it has saved the next one."""
    hook: Any = module.CheckpointHook
    save = hook._save_checkpoint_with_step

    @wraps(save)
    def save_then_remove(self: Any, runner: Any, step: int, meta: dict[str, Any]) -> None:
        kept: Any = self.keep_ckpt_ids if self.max_keep_ckpts > 0 else ()
        goes = len(kept) == self.max_keep_ckpts and kept[-1] != step if kept else False
        old = kept.popleft() if goes else None
        save(self, runner, step, meta=meta)
        if goes and module.is_main_process():
            files = self.file_backend
            path = files.join_path(self.out_dir, self.filename_tmpl.format(old))
            if files.isfile(path):
                files.remove(path)
            elif files.isdir(path):  # DeepSpeed's are folders
                files.rmtree(path)

    hook._save_checkpoint_with_step = save_then_remove


def install() -> None:
    """Watch for the imports."""
    after_import("mmengine.fileio.backends.local_backend", _patch_backend)
    after_import("mmengine.hooks.checkpoint_hook", _patch_hook)


FIX = Fix(
    name="whole files",
    reason="mmengine leaves half a checkpoint on a full disk, and removes the last one first",
    thread="open-mmlab/mmengine#1165",
    is_stand_in=False,
    install=install,
    is_active=lambda: bool(_patched),
)
