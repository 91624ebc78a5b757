"""What the host stack (torch, mmengine, mmcv, mmdet, mmpose) needs repaired, one repair per file.

`import mmktn` calls `apply_fixes` before anything imports a host package. Each repair is lazy (a
finder or an import hook) and acts only where it is needed; `active_fixes` tells which do.
"""

from mmktn.compat import (
    best_checkpoint,
    checkpoint_globals,
    cpu_distributed,
    loading_steps,
    mmcv_ext,
    mmcv_rescale,
    mmcv_version,
    module2package,
    onedl_notice,
    package_lookup,
    safe_checkpoints,
    torchvision_ops,
    unpublished_weights,
    whole_files,
    xtcocotools_stand_in,
)
from mmktn.compat.fix import Fix, stand_in_mode
from mmktn.compat.host_versions import check_host_versions
from mmktn.compat.import_hooks import real_spec
from mmktn.compat.mmcv_version import allow_mmcv

__all__ = [
    "Fix",
    "active_fixes",
    "allow_mmcv",
    "apply_fixes",
    "check_host_versions",
    "real_spec",
    "stand_in_mode",
]

ALL_FIXES = (
    mmcv_ext.FIX,
    torchvision_ops.FIX,
    xtcocotools_stand_in.FIX,
    module2package.FIX,
    onedl_notice.FIX,
    package_lookup.FIX,
    checkpoint_globals.FIX,
    safe_checkpoints.FIX,
    mmcv_version.FIX,
    mmcv_rescale.FIX,
    cpu_distributed.FIX,
    best_checkpoint.FIX,
    unpublished_weights.FIX,
    loading_steps.FIX,
    whole_files.FIX,
)

_applied = False


def apply_fixes() -> None:
    """Put every repair in place, once per process."""
    global _applied
    if not _applied:
        for fix in ALL_FIXES:
            fix.install()
        _applied = True


def active_fixes() -> list[Fix]:
    """List the repairs that are in effect in this environment.

    Returns:
        The active repairs with `name`, `reason` and `thread`. A repair that depends on what a host
        module finds at run time is listed from that module's import on.
    """
    return [fix for fix in ALL_FIXES if fix.is_active()]
