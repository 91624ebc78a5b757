"""One repair of the host stack: its name, why it is there, who reported the need for it."""

import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fix:
    """A repair and how to put it in place.

    Args:
        name: Short identifier, for example ``"mmcv._ext"``.
        reason: One line: what breaks without it.
        thread: Public thread that reports the breakage, ``repository#number``.
        is_stand_in: Replaces a missing compiled module (the MMKTN_FORCE_STANDINS switch reaches
            these only).
        install: Puts the repair in place; must be cheap and must import no host package.
        is_active: Tells whether this environment needs (and has) it.
    """

    name: str
    reason: str
    thread: str
    is_stand_in: bool
    install: Callable[[], None]
    is_active: Callable[[], bool]


def stand_in_mode() -> str:
    """Read the switch MMKTN_FORCE_STANDINS.

    Returns:
        ``"force"`` for 1 (stand-ins win over real modules, and operators run in plain torch),
        ``"off"`` for 0 (no stand-in is installed), ``"auto"`` when unset (stand-ins where the real
        module is missing).

    Raises:
        ValueError: The variable holds something else.
    """
    value = os.environ.get("MMKTN_FORCE_STANDINS", "")
    modes = {"": "auto", "0": "off", "1": "force"}
    if value not in modes:
        raise ValueError(
            f"MMKTN_FORCE_STANDINS={value!r} is not understood; use 1 (always use the stand-ins), "
            "0 (never) or leave it unset (where something is missing)"
        )
    return modes[value]
