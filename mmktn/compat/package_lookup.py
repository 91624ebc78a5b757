"""Let stock mmengine find installed packages where setuptools no longer brings pkg_resources.

setuptools 82 removed pkg_resources. `mmengine.utils.is_installed`, `get_installed_path` and
`package2module` of stock mmengine import it, and mmpose.apis calls them at import time. They are
replaced by functions on importlib.metadata. onedl-mmengine did the same upstream and is left alone.

Upstream threads: open-mmlab/mmcv#3325, pytorch/vision#9380.
"""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import, real_spec

_replaced: list[str] = []


def is_installed(package: str) -> bool:
    """Tell whether a distribution or an importable module of this name exists."""
    try:
        distribution(package)
    except PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def package2module(package: str) -> str:
    """Return the first import name of a distribution.

    Args:
        package: Distribution name.

    Returns:
        The module name.

    Raises:
        ValueError: The distribution does not say what it installs.
    """
    names = (distribution(package).read_text("top_level.txt") or "").split()
    if not names:
        raise ValueError(f"can not infer the module name of {package}")
    return names[0]


def get_installed_path(package: str) -> str:
    """Return the folder of a package, given as distribution or module name.

    Args:
        package: For example ``"mmdet"``.

    Returns:
        The folder that holds its modules.

    Raises:
        ModuleNotFoundError: Nothing of this name is installed.
        RuntimeError: It is a namespace package, which has no one folder.
    """
    module = package
    try:
        location = distribution(package).locate_file(package)
    except PackageNotFoundError:
        pass
    else:
        folder = Path(str(location))
        if folder.exists():
            return str(folder)
        module = package2module(package)
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"package {package} is not installed", name=package)
    if spec.origin is None:
        raise RuntimeError(f"{package} is a namespace package, without one installed path")
    return str(Path(spec.origin).parent)


def _replace(package_utils: ModuleType) -> None:
    """Run after package_utils was imported, before mmengine.utils takes its names."""
    needs_it = "pkg_resources" in package_utils.is_installed.__code__.co_names
    if needs_it and real_spec("pkg_resources") is None:
        for function in (is_installed, get_installed_path, package2module):
            setattr(package_utils, function.__name__, function)
            _replaced.append(function.__name__)


def install() -> None:
    """Watch for the import of mmengine's package helpers."""
    after_import("mmengine.utils.package_utils", _replace)


FIX = Fix(
    name="package lookup",
    reason="setuptools >= 82 has no pkg_resources, which stock mmengine looks packages up with",
    thread="open-mmlab/mmcv#3325",
    is_stand_in=False,
    install=install,
    is_active=lambda: bool(_replaced),
)
