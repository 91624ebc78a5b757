"""Let `save_best` know that more is better of our metrics.

mmengine's CheckpointHook derives the rule from words in the metric's key ("mAP", "acc", "loss").
Ours are named after the official evaluators' columns, in which it finds none, so that
`save_best="auto"`, or a key without `rule`, ends training at the first validation.

Upstream thread: open-mmlab/mmocr#750.
"""

from types import ModuleType

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

# Parts of keys, any case. Whole columns are not named: "/AR" would also be in "val/arcface_loss".
GREATER = (
    *("gps/A", "gpsm/A", "gps_kappa", "gpsm_kappa", "iou/A", "oks/A"),
    *("body_mask/A", "parts/", "pointwise/IoU", "recall"),
)
LESS = ("pointwise/missed",)


def _extend(checkpoint_hook: ModuleType) -> None:
    """Run after mmengine.hooks.checkpoint_hook was imported."""
    hook = checkpoint_hook.CheckpointHook
    hook._default_greater_keys = [*hook._default_greater_keys, *GREATER]
    hook._default_less_keys = [*hook._default_less_keys, *LESS]


def install() -> None:
    """Watch for the import of mmengine's checkpoint hook."""
    after_import("mmengine.hooks.checkpoint_hook", _extend)


FIX = Fix(
    name="best checkpoint",
    reason="mmengine has no rule which of two checkpoints is better by the keys of our metrics",
    thread="open-mmlab/mmocr#750",
    is_stand_in=False,
    install=install,
    is_active=lambda: True,
)
