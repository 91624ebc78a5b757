"""Variables of configs that were set in vain.

A config hands its variables to its parts when it is read. A config above it that sets such a
variable anew changes the variable alone: mmengine says nothing, and the parts keep the old value.
Nor does it say anything about a name that nothing reads, such as one with a letter missing.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmktn.utils.user_error import UserError

RUNNER_KEYS = frozenset(
    [
        *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader"),
        *("train_cfg", "val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper"),
        *("param_scheduler", "val_evaluator", "test_evaluator", "default_hooks", "custom_hooks"),
        *("data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
        *("log_processor", "log_level", "visualizer", "default_scope", "randomness"),
        *("experiment_name", "custom_imports", "tta_model", "tta_pipeline"),
    ]
)
"""What a run reads by its name: setting one of them anew is never in vain."""

# Read now and then: by mmengine's wrappers of models, by the hosts' inferencers, by ours.
_SELDOM_READ = frozenset(
    [
        *("compile", "sync_bn", "model_wrapper_cfg", "find_unused_parameters", "strategy"),
        *("efficient_conv_bn_eval", "activation_checkpointing", "runner_type"),
        *("data_mode", "dataset_type", "data_root", "test_pipeline", "surface"),
    ]
)


@dataclass(frozen=True)
class Variable:
    """A top-level name that the parts of a config took their values from.

    Attributes:
        file: The config that did so.
        parts: Its top-level names whose values hold the variable's.
    """

    file: Path
    parts: tuple[str, ...]


def variables_of(path: Path, tree: ast.Module) -> dict[str, Variable]:
    """Return the variables of one config file.

    Args:
        path: The file.
        tree: Its Python.

    Returns:
        Name -> variable, for the names that other names of the file are made of.
    """
    own = {name for name, _ in _assigned(tree)}
    made_of: dict[str, list[str]] = {}
    for name, node in _assigned(tree):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in own - {name}:
                made_of.setdefault(inner.id, []).append(name)
            elif isinstance(inner, ast.Attribute) and getattr(inner.value, "id", "") == "_base_":
                made_of.setdefault(inner.attr, []).append(name)
    return {
        name: Variable(path, tuple(dict.fromkeys(parts)))
        for name, parts in made_of.items()
        if name not in RUNNER_KEYS
    }


def check_set_anew(path: Path, names: Iterable[str], below: dict[str, Variable]) -> None:
    """Refuse variables of the bases that a config sets anew and hands to nothing.

    Args:
        path: The config.
        names: What it sets and does not read itself.
        below: Variables of its bases.

    Raises:
        UserError: One is set in vain; the text names the parts that hold the old value.
    """
    for name in names:
        if name in below:
            variable = below[name]
            raise UserError(
                f"{path}: {name} is set, but nothing reads it: {variable.file.name} has handed its "
                f"own {name} to its parts; set these too ({', '.join(variable.parts)})"
            )


def check_read(
    path: Path, names: Iterable[str], below: Iterable[str] = (), only_slips: bool = False
) -> None:
    """Refuse names that nothing reads.

    Args:
        path: The config, or what stands for it in the text of the error.
        names: What it sets and neither it nor a config above it reads.
        below: Variables of its bases.
        only_slips: Leave out names that resemble no other: a base may hold them for others.

    Raises:
        UserError: There is one; the text gives the known name that is most like it. Names that
            start with _ are notes.
    """
    known = RUNNER_KEYS | _SELDOM_READ
    for name in names:
        if name in known or name.startswith("_"):
            continue
        cutoff = 0.8 if only_slips else 0.6
        near = difflib.get_close_matches(name, sorted(known.union(below)), n=1, cutoff=cutoff)
        if near or not only_slips:
            hint = f"the nearest known name is {near[0]}" if near else "delete it"
            raise UserError(
                f"{path}: {name} is set, but nothing reads it; {hint} (a note starts with _)"
            )


def names_read_of_bases(tree: ast.Module) -> set[str]:
    """Names of its bases that a config reads, as `_base_.name`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "_base_"
    }


def set_and_not_read(tree: ast.Module) -> list[str]:
    """Return the top-level names that a config sets and uses nowhere."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return [name for name, _ in _assigned(tree) if name not in used]


def _assigned(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    """Return the top-level names and what they are set to."""
    return [
        (target.id, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id != "_base_"
    ]
