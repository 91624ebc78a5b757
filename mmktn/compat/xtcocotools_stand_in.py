"""A stand-in for xtcocotools on pycocotools, used where xtcocotools is missing or does not load.

mmpose imports xtcocotools in its datasets and metrics. Its published wheel was built for numpy 1
and fails to load on numpy 2; building it needs a compiler. coco and cocoeval come from
xtcocotools_coco.py and xtcocotools_eval.py, the mask functions are pycocotools' own.

Upstream threads: jin-s13/xtcocoapi#45, open-mmlab/mmpose#534, #677, #1939.
"""

import functools
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from mmktn.compat.fix import Fix, stand_in_mode
from mmktn.compat.import_hooks import StandInFinder, real_module


def _build_package(module: ModuleType) -> None:
    module.__doc__ = "Stand-in for xtcocotools, made by mmktn.compat on pycocotools."


def _build_coco(module: ModuleType) -> None:
    from mmktn.compat.xtcocotools_coco import COCO

    setattr(module, "COCO", COCO)  # noqa: B010 - a module object declares no attributes


def _build_cocoeval(module: ModuleType) -> None:
    from mmktn.compat.xtcocotools_eval import COCOeval

    setattr(module, "COCOeval", COCOeval)  # noqa: B010


def _build_mask(module: ModuleType) -> None:
    from pycocotools import mask

    for name in ("area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"):
        setattr(module, name, getattr(mask, name))


BUILDERS: dict[str, Callable[[ModuleType], None]] = {
    "xtcocotools": _build_package,
    "xtcocotools.coco": _build_coco,
    "xtcocotools.cocoeval": _build_cocoeval,
    "xtcocotools.mask": _build_mask,
}


@functools.cache
def _installed_one_loads() -> bool:
    """Tell whether the installed xtcocotools loads its compiled part into this numpy."""
    try:
        real_module("xtcocotools._mask")
    except (ImportError, ValueError, AttributeError):
        # Not installed, or built for numpy 1 and loaded into numpy 2 ("dtype size changed").
        return False
    return True


class _Finder(StandInFinder):
    """Stand in front of an installed xtcocotools that does not load."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Answer for xtcocotools unless the installed one works."""
        if fullname not in BUILDERS or (stand_in_mode() == "auto" and _installed_one_loads()):
            return None
        return super().find_spec(fullname, path, target)


def is_active() -> bool:
    """Tell whether `import xtcocotools` gives the stand-in."""
    mode = stand_in_mode()
    return mode == "force" or (mode == "auto" and not _installed_one_loads())


def install() -> None:
    """Answer imports of xtcocotools where the installed one does not load, or when forced."""
    if stand_in_mode() != "off":
        _Finder(BUILDERS, packages=("xtcocotools",)).install(force=True)


FIX = Fix(
    name="xtcocotools",
    reason="mmpose imports xtcocotools, which is missing or does not load on this numpy",
    thread="jin-s13/xtcocoapi#45",
    is_stand_in=True,
    install=install,
    is_active=is_active,
)
