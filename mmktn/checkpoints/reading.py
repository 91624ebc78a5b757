"""Read official checkpoints of any packing into one flat dict of tensors.

detectron2's model zoo: a pickle `{'model': {name: array}, '__author__': ...}`. Training runs of
detectron2 and KTN: a PyTorch file `{'model': {name: tensor}, 'optimizer': ..., ...}`. The packing
is told from the content, not from the name of the file, and nothing in it is executed.
"""

import pickle
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmktn.utils.restricted_unpickler import load_plain_pickle

ZIP_MAGIC = b"PK\x03\x04"
# First object of PyTorch files before version 1.6.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
NESTED_UNDER = ("model", "state_dict", "model_state_dict")


def read_official_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a .pkl or .pth file of detectron2 DensePose or KTN.

    Args:
        path: The file.

    Returns:
        Official names (a leading `module.` is dropped) -> tensors; floats of any width as float32.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a checkpoint, one that holds more than plain data, or one of Caffe2.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"checkpoint not found: {file}")
    content = _unpack(_read(file), file)
    return {
        name.removeprefix("module."): _tensor(value, name, file)
        for name, value in content.items()
        if not name.startswith("__")
    }


def _read(file: Path) -> Any:
    with file.open("rb") as handle:
        is_zip = handle.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if is_zip:
        return _read_torch(file)
    content = load_plain_pickle(file)
    return _read_torch(file) if content == LEGACY_MAGIC else content


def _read_torch(file: Path) -> Any:
    """Read a PyTorch file; beside tensors, schedulers leave Counters behind."""
    admit = getattr(torch.serialization, "safe_globals", None)
    try:
        with admit([Counter]) if admit else nullcontext():
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own text advises to run the file.
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it names {named[1]}" if named else "objects that are no tensors"
        raise ValueError(
            f"{file}: damaged, or holds more than weights ({what}), which is not run. Where you "
            "trust the file, save its 'model' entry alone with torch.save and convert that"
        ) from error
    except Exception as error:  # what a damaged file ends in is PyTorch's choice
        raise ValueError(f"{file}: not a readable PyTorch file ({_first_line(error)})") from error


def _unpack(content: Any, file: Path) -> Mapping[str, Any]:
    """Return the state dict inside."""
    if isinstance(content, Mapping) and "blobs" in content:
        raise ValueError(
            f"{file}: weights of Caffe2 / Detectron1 ('blobs'); only detectron2 DensePose and KTN "
            "checkpoints are converted"
        )
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(
            f"{file}: expected a dict of weights, or one under {', '.join(NESTED_UNDER)}; got a "
            f"{type(content).__name__}"
        )
    for name in content:
        if not isinstance(name, str):
            raise ValueError(f"{file}: weights are found by name, one is filed under {name!r}")
    return content


def _tensor(value: Any, name: str, file: Path) -> Tensor:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        # A copy only where torch needs one: KTN's arrays alone are a gigabyte.
        native = np.require(value, value.dtype.newbyteorder("="), ["C", "W"])
        value = torch.from_numpy(native)
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{file}: entry {name!r} is a {type(value).__name__}, expected an array of numbers"
        )
    return value.float() if value.is_floating_point() else value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
