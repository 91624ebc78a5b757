"""Optional dependencies: imported where used, with an error that names the extra."""

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency or say how to install it.

    Args:
        module: Dotted name of the module, for example ``"potpourri3d"``.
        extra: Extra of mmktn that installs it, for example ``"mesh"``.

    Returns:
        The imported module.

    Raises:
        ImportError: The module is not installed; the text names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} is needed here but could not be imported ({error}). "
            f'Install it with: pip install "mmktn[{extra}]"'
        ) from error
