"""The checks behind `python -m mmktn doctor`: each returns findings, none prints."""

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distributed_version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmktn.compat import active_fixes, mmcv_ext, real_spec, stand_in_mode
from mmktn.compat.backend import INSTALL_COMPILED, ops_backend
from mmktn.compat.host_versions import HOSTS, Host, installed_version, version_key
from mmktn.formats.annotation_names import local_annotation_file
from mmktn.utils.startup_hook import hook_file

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        section: Heading under which it stands.
        name: What was looked at.
        state: ``"ok"``, ``"note"`` (works, but worth knowing) or ``"wrong"`` (something needed is
            missing).
        text: What was found.
        advice: What to do about it; empty when there is nothing to do.
    """

    section: str
    name: str
    state: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Extra:
    """An optional dependency and what it is for."""

    module: str
    extra: str
    purpose: str


EXTRAS = (
    Extra("potpourri3d", "mesh", "geodesic distances, heat method"),
    Extra("pygeodesic", "mesh", "geodesic distances, exact"),
    Extra("starlette", "annotate", "the page for annotators"),
    Extra("uvicorn", "annotate", "its server"),
    Extra("supervision", "supervision", "predictions for its annotators"),
    Extra("av", "video", "films"),
    Extra("onnxruntime", "export", "exported systems"),
    Extra("gradio", "app", "the page for photos"),
    Extra("ray", "ray", "many pictures on a cluster"),
    Extra("openvino", "export", "exported systems on OpenVINO"),
)

# Module -> what pip calls it; mmktn does not start without these.
LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pycocotools": "pycocotools",
    "rich": "rich",
    "cv2": "opencv-python-headless",
    "matplotlib": "matplotlib",
}

# All of these unpack into the one folder `cv2`, so the last one installed is the one in use.
OPENCV_BUILDS = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python-headless",
)

DENSEPOSE_COCO = "data/coco/annotations/densepose_coco_2014_train.json"
SURFACE_FOLDER = "data/densepose_surface"
SYNTHETIC = "data/synthetic_densepose"
MAKE_SYNTHETIC = f"python -m mmktn synthesize --out {SYNTHETIC} --train 600 --val 60"
VARIABLES = {
    "MMKTN_CACHE_DIR": "folder of geodesic tables, default ~/.cache/mmktn",
    "MMKTN_HOME": "folder of fetched checkpoints, default ~/.cache/mmktn",
    "MMKTN_MIRROR": "address or folder that stands in for the addresses of published weights",
    "MMKTN_OFFLINE": "1: nothing is fetched",
    "MMKTN_DEBUG": "1 shows the traceback of every error that a command says in one line",
    "MMKTN_REAL_DATA": "folder of the real images that some configs and tests use",
    "MMKTN_FORCE_STANDINS": "1: always stand-ins, 0: never",
    "MMKTN_DIST_BACKEND": "gloo: train in several processes without GPUs",
    "MMKTN_PYTHON": "interpreter that make uses",
}


def check_versions() -> Iterator[Finding]:
    """Compare Python and the host packages with their windows."""
    python = ".".join(map(str, sys.version_info[:3]))
    state = OK if sys.version_info >= (3, 10) else WRONG
    yield Finding("versions", "python", state, python, "" if state == OK else "use Python >= 3.10")
    yield from map(_host_finding, HOSTS)
    if find_spec("detectron2") is not None:
        yield Finding(
            "versions",
            "detectron2",
            NOTE,
            "installed beside mmdet, which imports it",
            "an error inside it breaks `import mmdet`; keep it in another environment",
        )


def check_libraries() -> Iterator[Finding]:
    """Name the needed libraries that are missing."""
    for module, distribution in LIBRARIES.items():
        if find_spec(module) is None:
            advice = f"pip install {distribution}"
            yield Finding("versions", module, WRONG, "missing", advice)


def check_opencv() -> Iterator[Finding]:
    """Find several builds of OpenCV in one folder, and one that does not load."""
    builds = [name for name in OPENCV_BUILDS if _is_distributed(name)]
    _, problem = _try_import("cv2") if find_spec("cv2") is not None else (None, "")
    if len(builds) < 2 and not problem:
        return
    keep = "opencv-python-headless"
    removed = builds or [keep]
    yield Finding(
        "versions",
        "OpenCV",
        WRONG if problem else NOTE,
        f"{', '.join(builds) or 'of no known build'}; {problem or 'they share one folder, cv2'}",
        # Removing one of two takes files of the other with it.
        f"pip uninstall -y {' '.join(removed)} && pip install {keep}   (needs no libGL)",
    )


def _is_distributed(name: str) -> bool:
    try:
        distributed_version(name)
    except PackageNotFoundError:
        return False
    return True


def _host_finding(host: Host) -> Finding:
    found = installed_version(host)
    window = f">= {host.minimum}, < {host.below}, tested up to {host.tested}"
    if found is None:
        state = WRONG if host.required else NOTE
        purpose = "" if host.required else " (needed for the top-down and crowded-pose models)"
        return Finding("versions", host.module, state, f"missing{purpose}", host.install)
    if found == "unknown":
        return Finding("versions", host.module, NOTE, f"version unknown; {window}")
    if not version_key(host.minimum) <= version_key(found) < version_key(host.below):
        return Finding("versions", host.module, WRONG, f"{found}; {window}", host.install)
    if version_key(found) > version_key(host.tested):
        advice = "newer than tested; if something breaks, go back to the tested version"
        return Finding("versions", host.module, NOTE, f"{found}; {window}", advice)
    return Finding("versions", host.module, OK, f"{found}; {window}")


def check_imports() -> Iterator[Finding]:
    """Import the hosts for real; only what fails is reported."""
    for module in ("torch", "torchvision", "mmcv.ops", "mmdet", "mmpose"):
        if real_spec(module.partition(".")[0]) is None:
            continue
        _, problem = _try_import(module)
        if problem:
            advice = "reinstall it to match torch; the text above is its own error"
            yield Finding("versions", f"import {module}", WRONG, problem, advice)


def _try_import(module: str) -> tuple[ModuleType | None, str]:
    """Import a module, returning it or the error's text."""
    try:
        return importlib.import_module(module), ""
    except Exception as error:  # a broken host may raise anything, and a report must go on
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


def check_operators() -> Iterator[Finding]:
    """Tell which implementation each mmcv operator has, and try it."""
    if real_spec("mmcv") is None or _try_import("mmcv.ops")[1]:
        return
    if not mmcv_ext.is_active():
        yield Finding("mmcv operators", "all", OK, "compiled (mmcv._ext)")
        yield from _try_roi_align()
        return
    import torch

    from mmktn.compat.mmcv_ops import roi_align_backend

    cpu, cuda = (roi_align_backend(torch.device(kind)) for kind in ("cpu", "cuda"))
    yield Finding("mmcv operators", "nms, deformable convolution", OK, ops_backend())
    slow = torch.cuda.is_available() and cuda == "torch"
    yield Finding(
        "mmcv operators",
        "roi_align (avg)",
        NOTE if slow else OK,
        f"{cpu} on the CPU, {cuda} on CUDA",
        "on CUDA a stand-in of some hundred launches a call; a torchvision that fits torch, or "
        f"{INSTALL_COMPILED}"
        if slow
        else "",
    )
    served = mmcv_ext.SERVED
    yield Finding("mmcv operators", "stand-ins", OK, f"{len(served)}: {', '.join(served)}")
    yield Finding(
        "mmcv operators",
        "all others",
        NOTE,
        "not available, not needed by mmktn",
        f"for other models: {INSTALL_COMPILED}",
    )
    yield from _try_roi_align()


def _try_roi_align() -> Iterator[Finding]:
    """Pool a ramp on every kind of device; the mean over its two bins is known."""
    import torch
    from mmcv.ops import RoIAlign

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        ramp = (torch.arange(8.0, device=device) + 0.5).expand(1, 1, 8, 8).contiguous()
        roi = torch.tensor([[0.0, 2, 2, 6, 6]], device=device)
        pooled = RoIAlign((1, 2), sampling_ratio=2)(ramp, roi).flatten().tolist()
        right = max(abs(a - b) for a, b in zip(pooled, (3.0, 5.0), strict=True)) < 1e-4
        state, text = (OK, "right") if right else (WRONG, f"{pooled} instead of [3.0, 5.0]")
        advice = "" if right else "reinstall mmcv, or set MMKTN_FORCE_STANDINS=1"
        yield Finding("mmcv operators", f"RoIAlign of a ramp on {device}", state, text, advice)


def check_repairs() -> Iterator[Finding]:
    """List the repairs of mmktn.compat that are in effect."""
    for fix in active_fixes():
        yield Finding("repairs", fix.name, OK, f"{fix.reason} ({fix.thread})")
    if stand_in_mode() != "auto":
        value = os.environ["MMKTN_FORCE_STANDINS"]
        yield Finding("repairs", "MMKTN_FORCE_STANDINS", NOTE, f"set to {value}")
    yield _hook_finding()


def _hook_finding() -> Finding:
    """Tell whether mmktn is imported at start, which matters where stand-ins are in use."""
    if hook_file().is_file():
        return Finding("repairs", "start-up hook", OK, "on: every start of this Python has them")
    needed = any(fix.is_stand_in for fix in active_fixes())
    advice = "`import mmktn` first; or, for every start of this Python, python -m mmktn hook on"
    return Finding(
        "repairs",
        "start-up hook",
        NOTE if needed else OK,
        "off: repairs act from `import mmktn` on, in mmdet's own test.py for example too late",
        advice if needed else "",
    )


def check_devices() -> Iterator[Finding]:
    """List what torch can compute on."""
    torch, problem = _try_import("torch")
    if torch is None:
        if real_spec("torch") is not None:
            yield Finding("devices", "torch", WRONG, problem, "reinstall torch")
        return
    cores = os.cpu_count()
    yield Finding("devices", "cpu", OK, f"{cores} cores, {torch.get_num_threads()} torch threads")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        yield Finding("devices", f"cuda:{index}", OK, f"{properties.name}, {memory:.0f} GiB")
    if torch.backends.mps.is_available():
        text = "found; mmktn was not run on it yet, so it is taken by its name alone"
        advice = "--device mps, with PYTORCH_ENABLE_MPS_FALLBACK=1 for operators that it lacks"
        yield Finding("devices", "mps", NOTE, text, advice)
    if not torch.cuda.is_available():
        built = torch.version.cuda
        text = f"torch is built for CUDA {built}, no device found" if built else "CPU build"
        yield Finding("devices", "cuda", NOTE, text)


def check_extras() -> Iterator[Finding]:
    """Tell which optional packages are there and what the others would add."""
    for extra in EXTRAS:
        if find_spec(extra.module) is not None:
            yield Finding("extras", extra.module, OK, extra.purpose)
        else:
            advice = f'pip install "mmktn[{extra.extra}]"'
            yield Finding("extras", extra.module, NOTE, f"missing: {extra.purpose}", advice)


def check_data(root: Path) -> Iterator[Finding]:
    """Look for data sets, surface files, the geodesic cache and our environment variables.

    Args:
        root: Folder in which training is started; data lies in its `data` folder.

    Yields:
        One finding for each place.
    """
    places = (
        ("DensePose-COCO", DENSEPOSE_COCO, "layout and links in docs/datasets.md"),
        ("official surface files", SURFACE_FOLDER, "docs/surface.md; not needed for 'human'"),
        ("synthetic data", SYNTHETIC, MAKE_SYNTHETIC),
    )
    for name, place, advice in places:
        there = local_annotation_file(root / place) or root / place
        found = there.exists()
        text = there.relative_to(root).as_posix() if found else f"not at {place}"
        yield Finding("data", name, OK if found else NOTE, text, "" if found else advice)
    if find_spec("numpy") is not None and find_spec("scipy") is not None:
        yield _cache_finding()
    for variable, meaning in VARIABLES.items():
        if variable in os.environ:
            yield Finding("data", variable, OK, f"{os.environ[variable]} ({meaning})")


def _cache_finding() -> Finding:
    """Count the geodesic tables."""
    from mmktn.surface.file_cache import cache_folder

    tables = list((cache_folder() / "geodesics").glob("*.npy"))
    size = sum(table.stat().st_size for table in tables) / 2**20
    text = f"{len(tables)} tables, {size:.0f} MiB in {cache_folder()}"
    return Finding("data", "geodesic cache", OK if tables else NOTE, text)
