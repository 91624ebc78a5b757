"""Let stock mmdet accept an mmcv that its version check refuses, on request only.

mmdet 3.3.0 asserts mmcv < 2.2.0, although it works with 2.2.0, the newest prebuilt mmcv;
mmpose.models imports mmdet and stops too. Nothing is changed unless `allow_mmcv()` is called: only
mmdet's own check then sees version 2.1.0.

Upstream threads: open-mmlab/mmdetection#12312, open-mmlab/mmcv#3096.
"""

import warnings

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import around_import

_ACCEPTED = "2.1.0"
_real_version: list[str] = []


def allow_mmcv() -> None:
    """Hide mmcv's version from the check that mmdet makes when it is imported.

    Call it after `import mmktn` and before mmdet or mmpose is imported.

    Raises:
        RuntimeError: mmdet is imported already.
    """
    around_import("mmdet", _hide, _restore)


def _hide() -> None:
    import mmcv

    _real_version.append(mmcv.__version__)
    mmcv.__version__ = _ACCEPTED
    warnings.warn(
        f"mmktn.compat.allow_mmcv: mmdet's version check sees mmcv {_ACCEPTED} instead of "
        f"{_real_version[-1]}",
        stacklevel=2,
    )


def _restore() -> None:
    import mmcv

    mmcv.__version__ = _real_version[-1]


def _install_nothing() -> None:
    """Do nothing: this repair is opt-in."""


FIX = Fix(
    name="mmcv version check",
    reason="allow_mmcv() was called: mmdet 3.3 refuses mmcv >= 2.2 although it works with it",
    thread="open-mmlab/mmdetection#12312",
    is_stand_in=False,
    install=_install_nothing,
    is_active=lambda: bool(_real_version),
)
