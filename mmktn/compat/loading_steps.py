"""Let mmdet's `analyze_results.py` find loading steps that are subclasses of the usual ones.

mmdet keeps those steps of the training pipeline whose class is one of three, by identity, and ends
in an assertion unless two are left. A subclass that reads a picture is a loading step as well.

Upstream thread: open-mmlab/mmdetection#8035.
"""

import sys
from collections.abc import Sequence
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_MODULE = "mmdet.datasets.utils"


def _patch(utils: Any) -> None:
    """Run after mmdet.datasets.utils was imported."""
    original = utils.get_loading_pipeline
    kinds = (utils.LoadImageFromFile, utils.LoadAnnotations, utils.LoadPanopticAnnotations)

    def get_loading_pipeline(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for step in pipeline:
            kind = utils.TRANSFORMS.get(step["type"])
            if isinstance(kind, type) and issubclass(kind, kinds):
                found.append(step)
        # mmdet has the message where there are not two.
        return found if len(found) == 2 else original(pipeline)

    utils.get_loading_pipeline = get_loading_pipeline


def install() -> None:
    """Patch the function before mmdet.datasets hands it on."""
    after_import(_MODULE, _patch)


FIX = Fix(
    name="loading steps",
    reason="mmdet's analyze_results knows mmcv's own loading step alone, no subclass of it",
    thread="open-mmlab/mmdetection#8035",
    is_stand_in=False,
    install=install,
    is_active=lambda: _MODULE in sys.modules,
)
