"""Two entries in torch's C++ tables without which a CPU-only build refuses the device `cuda`.

Copies, indexing and the backward engine ask for the guard that switches devices; torch has one that
does nothing, but puts it only into a place that is taken. The engine also asks the hooks of CUDA
whether CUDA is built in; here they say yes. Where CUDA is built in nothing is changed.
"""

import ctypes
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import torch

TRIED = "2.13."
CUDA = 1  # c10::DeviceType::CUDA
GUARDS = "_ZN3c104impl26device_guard_impl_registryE"
HOOKS = "_ZN2at6detail12getCUDAHooksEv"
HEADER = "include/ATen/detail/AcceleratorHooksInterface.h"
QUESTIONS = ("isBuilt", "isAvailable", "hasPrimaryContext")
FUNCTIONS = 96  # more than the table has; what lies behind is copied and never called
BEFORE = 2  # the offset to the whole object and its type stand before the functions
_kept: list[object] = []


@cache
def why_not() -> str | None:
    """Why CUDA cannot be pretended here; None where it can.

    Another version of torch than the tried ones is asked in a process of its own first: what its
    tables look like is not known, and a wrong guess ends the process.
    """
    if torch.cuda.is_available():
        return "there is a CUDA device"
    if not torch.__version__.startswith(TRIED):
        line = f"from {__name__} import register; register()"
        tried = subprocess.run([sys.executable, "-c", line], capture_output=True, check=False)
        if tried.returncode:
            said = tried.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            return f"torch {torch.__version__} has other tables: {said[-1]}"
    try:
        register()
    except (AttributeError, OSError, RuntimeError, ValueError) as error:
        return f"torch {torch.__version__} has other tables: {error}"
    return None


@cache
def register() -> None:
    """Put both entries in place, for the rest of the process, and try them.

    Raises:
        RuntimeError, ValueError, AttributeError, OSError: This torch is made in another way.
    """
    if not torch.backends.cuda.is_built():
        folder = Path(torch.__file__).parent
        _put_guard(ctypes.CDLL(str(folder / "lib/libc10.so")))
        places = _places_of_functions((folder / HEADER).read_text())
        _answer_yes(ctypes.CDLL(str(folder / "lib/libtorch_cpu.so")), places)
    if torch.accelerator.current_accelerator() != torch.device("cuda"):
        raise RuntimeError("CUDA is not taken for the accelerator")


def _put_guard(library: ctypes.CDLL) -> None:
    places = (ctypes.c_void_p * (CUDA + 1)).in_dll(library, GUARDS)
    if places[CUDA] is not None:
        return
    # A guard that answers 0 to every question; torch replaces guards that count 0 devices.
    answer = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(lambda _guard: 0)
    functions = (ctypes.c_void_p * FUNCTIONS)(
        *[ctypes.cast(answer, ctypes.c_void_p).value] * FUNCTIONS
    )
    guard = ctypes.c_void_p(ctypes.addressof(functions))
    _kept.extend((answer, functions, guard))
    places[CUDA] = ctypes.addressof(guard)
    torch._C._ensureCUDADeviceGuardSet()
    if places[CUDA] == ctypes.addressof(guard):
        places[CUDA] = None
        raise RuntimeError("torch keeps a guard without devices")


def _places_of_functions(header: str) -> dict[str, int]:
    """Virtual functions in the order of the table; the destructor, the first, has two places."""
    names = re.findall(r"^ *virtual\b[^(]*?(~?\w+)\(", header, re.MULTILINE)
    if not names[0].startswith("~") or not set(QUESTIONS) < set(names):
        raise ValueError("the hooks of accelerators have other functions")
    return {name: place for place, name in enumerate(names[1:], start=2)}


def _answer_yes(library: ctypes.CDLL, places: dict[str, int]) -> None:
    get_hooks = getattr(library, HOOKS)
    get_hooks.restype = ctypes.c_void_p
    pointer = ctypes.c_void_p.from_address(get_hooks())
    word = ctypes.sizeof(ctypes.c_void_p)
    old = (ctypes.c_void_p * (BEFORE + FUNCTIONS)).from_address(pointer.value - BEFORE * word)
    table = (ctypes.c_void_p * (BEFORE + FUNCTIONS))(*old)
    yes = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(lambda _hooks: True)
    _kept.extend((table, yes))
    for name in QUESTIONS:
        table[BEFORE + places[name]] = ctypes.cast(yes, ctypes.c_void_p).value
    pointer.value = ctypes.addressof(table) + BEFORE * word
