"""Names of a package that are imported when they are first used.

A command reads its command line before it needs torch and the host packages, whose import takes
seconds. So `from mmktn import apis` costs nothing until `apis.load_model` is called.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's `__getattr__`.

    Args:
        package: Its dotted name.
        homes: Name -> module of the package that defines it. No name may be that of a module.

    Returns:
        The function; it raises AttributeError for other names.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)  # the next time it is simply there
        return value

    return get
