"""The version window of the host packages, read without importing them.

Versions are those of the modules (`mmdet.__version__`), not of distributions: the maintained forks
ship the same modules under other distribution names (onedl-mmdetection). A version that is known
not to work stops `import mmktn` with a message; a version newer than the tested ones is reported by
`python -m mmktn doctor` only.
"""

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path

from mmktn.compat.import_hooks import real_spec


@dataclass(frozen=True)
class Host:
    """One host package and the versions that work.

    Args:
        module: Import name.
        distributions: Names under which it is published.
        minimum: Oldest version that works.
        below: First version that is known or bound not to work (the next major one).
        tested: Newest version that the suite ran with.
        required: Whether mmktn as a whole works without it.
        install: Command that installs a version inside the window.
    """

    module: str
    distributions: tuple[str, ...]
    minimum: str
    below: str
    tested: str
    required: bool
    install: str


HOSTS = (
    Host("torch", ("torch",), "2.1.0", "3.0.0", "2.13.0", True, "pip install torch"),
    Host(
        "torchvision",
        ("torchvision",),
        "0.16.0",
        "1.0.0",
        "0.28.0",
        True,
        "pip install torchvision (the release that belongs to your torch)",
    ),
    Host(
        "mmengine",
        ("onedl-mmengine", "mmengine"),
        "0.10.7",
        "1.0.0",
        "0.10.12",
        True,
        'pip install "mmktn[mm]"',
    ),
    Host(
        "mmcv",
        ("onedl-mmcv", "mmcv", "mmcv-lite"),
        "2.1.0",
        "3.0.0",
        "2.3.6",
        True,
        'pip install "mmktn[mm]"',
    ),
    Host(
        "mmdet",
        ("onedl-mmdetection", "mmdet"),
        "3.3.0",
        "4.0.0",
        "3.5.1",
        True,
        'pip install "mmktn[mm]"',
    ),
    Host(
        "mmpose",
        ("mmpose", "onedl-mmpose"),
        "1.3.0",
        "2.0.0",
        "1.3.2",
        False,
        'pip install --no-deps "mmpose>=1.3.2,<2"',
    ),
)

_VERSION_LINE = re.compile(r"^__version__\s*(?::\s*str\s*)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)


def installed_version(host: Host) -> str | None:
    """Read the version of an installed host package without importing it.

    Args:
        host: The package.

    Returns:
        The version text, None when the module is not installed, ``"unknown"`` when nothing tells
        it.
    """
    spec = real_spec(host.module)
    if spec is None or spec.origin is None:
        return None
    for name in ("version.py", "__init__.py"):
        file = Path(spec.origin).parent / name
        if file.is_file():
            match = _VERSION_LINE.search(file.read_text(encoding="utf-8"))
            if match:
                return match.group(1)
    # The onedl forks read their own version from their metadata.
    versions = map(_distribution_version, host.distributions)
    return next((version for version in versions if version is not None), "unknown")


def _distribution_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_key(version: str) -> tuple[int, ...]:
    """Turn ``"2.13.0+cpu"`` or ``"2.0.0rc4"`` into comparable numbers of the release."""
    release = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in release.group().split(".")] if release else [0]
    return tuple(numbers + [0] * (3 - len(numbers)))


def check_host_versions(hosts: tuple[Host, ...] = HOSTS) -> None:
    """Refuse host packages outside their window; packages that are not installed are no error here.

    Args:
        hosts: The packages and their windows.

    Raises:
        ImportError: A package is too old or too new; names it, its version, the window and the fix.
    """
    for host in hosts:
        found = installed_version(host)
        if found is None or found == "unknown":
            continue
        if not version_key(host.minimum) <= version_key(found) < version_key(host.below):
            raise ImportError(
                f"mmktn needs {host.module} >= {host.minimum}, < {host.below}, but {found} is "
                f"installed. Fix: {host.install}"
            )
