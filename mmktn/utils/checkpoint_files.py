"""Read checkpoints, from disk or from an address, without running what is pickled in them.

The only reader of `.pth` files: `mmktn.apis` calls it, and mmktn.compat.safe_checkpoints puts it
behind mmengine's `CheckpointLoader`, so that `load_from`, `resume` and `init_cfg` come here too.
"""

from __future__ import annotations

import ast
import pickle
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from mmktn.compat.checkpoint_globals import safe_types
from mmktn.utils.download import fetch
from mmktn.utils.pickle_nesting import check_nesting
from mmktn.utils.user_error import UserError, one_line


def load_safely(source: str | Path | IO[bytes], map_location: Any = None) -> Any:
    """Read a checkpoint file or buffer.

    Args:
        source: Path, `file://` address, or an open binary file.
        map_location: As in `torch.load`.

    Returns:
        What the file holds: tensors, numbers, text, containers, mmengine's loss curves.

    Raises:
        FileNotFoundError: No such file.
        UserError: Not a PyTorch checkpoint, one that needs pickled code, or one whose `state_dict`
            or `meta` is of the wrong kind.
    """
    import torch

    if isinstance(source, str | Path):
        path = Path(_local_path(str(source))).expanduser()
        name = str(source)
        if path.is_dir():
            raise UserError(f"{name}: a folder, not a checkpoint file")
        if path.exists() and not path.is_file():
            raise UserError(f"{name}: not a regular file")
        if not path.exists():
            raise FileNotFoundError(f"checkpoint not found: {name}")
        file: Any = path
    else:
        name, file = str(getattr(source, "name", "checkpoint")), source
    try:
        with (
            file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened,
            torch.serialization.safe_globals(safe_types()),
        ):
            check_nesting(opened)
            opened.seek(0)
            # Said here, so that TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD does not switch it off.
            content = torch.load(opened, map_location=map_location, weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # PyTorch's reader raises nearly every kind of error on damaged files.
        raise UserError(_unreadable(name, error)) from error
    check_content(content, name)
    drop_programs(content, name)
    return content


def load_weights(path: str | Path) -> Mapping[str, Any]:
    """Read a state dict, also where it is nested in a checkpoint.

    Args:
        path: The file.

    Returns:
        Weights by name.

    Raises:
        FileNotFoundError: No such file.
        UserError: As `load_safely`; or the file holds no state dict.
    """
    import torch

    content: Any = load_safely(path, map_location="cpu")
    for key in ("state_dict", "best_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no state dict but a {type(content).__name__}")
    wrong = next((k for k, value in content.items() if not isinstance(value, torch.Tensor)), None)
    if wrong is not None:
        raise UserError(f"{path}: entry {wrong!r} is no tensor; expected a plain state dict")
    return content


def fetch_safely(address: str, map_location: Any = None, **_: Any) -> Any:
    """Fetch a checkpoint and read it; stands in for `load_url` of PyTorch and mmengine.

    Args:
        address: http or https address.
        map_location: As in `torch.load`.
        **_: Arguments of `load_url` that choose a folder or a progress bar.

    Raises:
        UserError: As `fetch` and `load_safely`.
    """
    try:
        return load_safely(fetch(address).path, map_location)
    except UserError as error:
        raise error if address in str(error) else UserError(f"{address}: {error}") from error


def check_content(content: Any, name: str) -> None:
    """Check what the hosts take for granted about a checkpoint.

    Args:
        content: What the file holds.
        name: The file, for messages.

    Raises:
        UserError: `state_dict` is no dict of tensors by name, or `meta` is no dict.
    """
    import torch

    if not isinstance(content, Mapping):
        return
    for key in ("state_dict", "ema_state_dict"):
        if key not in content:
            continue
        state = content[key]
        if not isinstance(state, Mapping):
            raise UserError(f"{name}: {key!r} is a {type(state).__name__}, not a dict of tensors")
        odd = next((k for k in state if not isinstance(k, str)), None)
        if odd is not None:
            raise UserError(f"{name}: {key!r} has a key {odd!r} that is no name of a weight")
        for weight, value in state.items():
            if not isinstance(value, torch.Tensor) and not weight.endswith("_extra_state"):
                raise UserError(
                    f"{name}: {key!r}: {weight} is a {type(value).__name__}, not a tensor"
                )
    if not isinstance(content.get("meta", {}), Mapping):
        raise UserError(f"{name}: 'meta' is a {type(content['meta']).__name__}, not a dict")


def drop_programs(content: Any, name: str) -> None:
    """Take texts of configs that are programs out of a checkpoint, in place, and say so.

    mmengine keeps the config as Python text; `Runner.resume` and its inferencers run that text. The
    text that mmengine writes holds values alone.

    Args:
        content: What the file holds.
        name: The file, for the warning.
    """
    if not isinstance(content, Mapping):
        return
    hub = content.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, Mapping) else None
    for place in (content.get("meta"), info):
        for key in ("config", "cfg"):
            if not isinstance(place, dict) or not isinstance(place.get(key), str):
                continue
            if not _holds_values_alone(place[key]):
                del place[key]
                warnings.warn(
                    f"{name}: the stored text {key!r} is a program, not a config of values; it is "
                    "left out",
                    stacklevel=2,
                )


def _holds_values_alone(text: str) -> bool:
    """Whether Python text only gives names values: literals, containers and `dict(...)`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if not all(isinstance(statement, ast.Assign) for statement in tree.body):
        return False
    allowed = (
        *(ast.Assign, ast.Module, ast.Name, ast.Load, ast.Store, ast.Constant, ast.keyword),
        *(ast.Dict, ast.List, ast.Tuple, ast.Set, ast.UnaryOp, ast.USub, ast.UAdd),
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not (isinstance(node.func, ast.Name) and node.func.id == "dict"):
                return False
        elif not isinstance(node, allowed):
            return False
    return True


def _local_path(source: str) -> str:
    """Return the path of a `file://` address; other text as it is."""
    if not source.startswith("file://"):
        return source
    return urllib.request.url2pathname(urllib.parse.urlsplit(source).path)


def _unreadable(name: str, error: Exception) -> str:
    """Return one line on a file that cannot be read."""
    text = str(error).strip().splitlines()
    if isinstance(error, pickle.UnpicklingError) and "Weights only load failed" in str(error):
        refused = [line for line in text if "GLOBAL" in line or "Unsupported" in line]
        reason = refused[0] if refused else "it asks for code to be run"
    else:
        reason = text[0] if text else repr(error)
    hint = (
        "detectron2 and Detectron1 .pkl files go through python -m mmktn convert first"
        if name.endswith(".pkl")
        else "it may be truncated, or hold pickled code, which is not run"
    )
    return f"{name}: not a readable checkpoint ({one_line(reason)[:200]}); {hint}"
