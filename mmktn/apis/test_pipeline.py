"""The steps by which a config prepares a picture at test, wherever it says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config


def type_name(node: Mapping[str, Any]) -> str:
    """Name of the class that a part of a config builds, without scope or module.

    Args:
        node: Part with `type`: a name, with or without its scope, or in a pure-Python config the
            class itself. Without one the name is empty.
    """
    kind = node.get("type", "")
    return kind.split(".")[-1] if isinstance(kind, str) else str(kind.__name__)


def find_test_pipeline(cfg: Config) -> list[Any]:
    """Find the test pipeline of a config of any OpenMMLab repository.

    Looked for in test_dataloader, val_dataloader and, for configs that only train, the variable
    `test_pipeline`. Wrapped data sets give the steps of the innermost one (the first, where there
    are several), followed by those of the wrappers.

    Args:
        cfg: The config.

    Returns:
        Its steps, each a dict with `type`.

    Raises:
        ValueError: The config has none; the message names what was looked for.
    """
    for loader in ("test_dataloader", "val_dataloader"):
        steps = _steps_of((cfg.get(loader) or {}).get("dataset"))
        if steps:
            return steps
    steps = list(cfg.get("test_pipeline") or [])
    if not steps:
        raise ValueError(
            f"{cfg.filename or 'the config'}: nothing says how to prepare a picture: it has no "
            "pipeline in test_dataloader or val_dataloader, and no test_pipeline"
        )
    return steps


def cuts_persons(cfg: Config) -> bool:
    """Tell whether a config cuts people out of pictures, as top-down systems do."""
    return any(type_name(step) == "GetBBoxCenterScale" for step in find_test_pipeline(cfg))


def innermost_dataset(dataset: Any) -> Any:
    """Return the data set inside wrappers; the first one, where a wrapper holds several.

    Args:
        dataset: Part of a config.
    """
    inner = _inner(dataset)
    return dataset if inner is None else innermost_dataset(inner)


def _inner(dataset: Any) -> Any:
    """Return what a wrapper wraps, the first of several, or None."""
    many = dataset.get("datasets")
    return many[0] if many else dataset.get("dataset")


def _steps_of(dataset: Any) -> list[Any]:
    if not dataset:
        return []
    return [*_steps_of(_inner(dataset)), *(dataset.get("pipeline") or [])]
