"""Registration: import every module of mmktn that registers something.

mmpose is optional (`python -m mmktn doctor` says so): without it the parts that stand on it are
represented by placeholders that say what to install when one of them is built. Any other import
error surfaces.
"""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from mmktn.compat import real_spec
from mmktn.compat.host_versions import HOSTS

_REGISTERING = (
    "mmktn.models",
    "mmktn.models.backbones",
    "mmktn.models.rcnn",
    "mmktn.models.fcn",
    "mmktn.engine",
    "mmktn.datasets",
    "mmktn.datasets.transforms.box_jitter",
    "mmktn.evaluation.metrics",
    "mmktn.visualization.chart_visualizer",
)
_REGISTERING_WITH_MMPOSE = (
    "mmktn.models.backbones.staged_hrnet",
    "mmktn.models.topdown",
    "mmktn.datasets.keypoint_datasets",
    "mmktn.datasets.transforms.released_box",
    "mmktn.datasets.transforms.semantic_targets",
    "mmktn.datasets.transforms.topdown",
)


def register_all_modules(init_default_scope: bool = True) -> None:
    """Fill the registries of mmktn.

    Args:
        init_default_scope: Make ``"mmktn"`` the scope in which unprefixed names are looked up.
            Configs of mmktn keep `mmdet` or `mmpose` as their default scope and prefix our names,
            so the runner passes False.

    Raises:
        ImportError: A module does not import for another reason than a missing mmpose.
    """
    for name in _REGISTERING:
        importlib.import_module(name)
    has_mmpose = real_spec("mmpose") is not None
    for name in _REGISTERING_WITH_MMPOSE:
        if has_mmpose:
            importlib.import_module(name)
        else:
            _register_placeholders(name, "mmpose")
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope

        set_default_scope("mmktn")


def _register_placeholders(module: str, host: str) -> None:
    """Register, for everything that a module would register with us, a class that cannot be built.

    The source is read and not run, so the names cannot drift apart.
    """
    from mmktn import registry

    for registry_name, class_name in registered_names(module):
        ours = getattr(registry, registry_name, None)
        if ours is not None and class_name not in ours.module_dict:
            ours.register_module(name=class_name, module=_placeholder(class_name, host))


def registered_names(module: str) -> list[tuple[str, str]]:
    """What a module or package registers, read off its source.

    Args:
        module: Dotted name; its host need not be installed.

    Returns:
        Pairs like `("MODELS", "STIPHead")`, for `@MODELS.register_module()` above a class.
    """
    found = []
    for file in _source_files(module):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                call = decorator.func if isinstance(decorator, ast.Call) else None
                if isinstance(call, ast.Attribute) and call.attr == "register_module":
                    found.append((ast.unparse(call.value), node.name))
    return found


def _source_files(module: str) -> list[Path]:
    """The files of a module or package, found through its parent package."""
    parent, _, leaf = module.rpartition(".")
    spec = find_spec(parent)
    folders = [] if spec is None else [Path(p) for p in spec.submodule_search_locations or ()]
    for folder in folders:
        if (folder / f"{leaf}.py").is_file():
            return [folder / f"{leaf}.py"]
        if (folder / leaf).is_dir():
            return sorted((folder / leaf).rglob("*.py"))
    raise ImportError(f"no source of {module}")


def _placeholder(name: str, host: str) -> type:
    """A class whose construction says which host package it needs."""
    install = next(entry.install for entry in HOSTS if entry.module == host)

    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImportError(f"{name} needs {host}, which is not installed: {install}")

    return type(name, (), {"__init__": refuse, "__doc__": f"Stands for {name} without {host}."})
