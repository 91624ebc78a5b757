"""How deep the tuples of a pickle are nested, found without building them.

Python hashes tuples by recursion in C: one nested a million times, used as the key of a dict, ends
the process when PyTorch's restricted reader builds it. The program of the pickle is followed here
with depths in place of values.
"""

from __future__ import annotations

import os
import pickle
import pickletools
import zipfile
from typing import IO, Any

DEEPEST = 500
_NESTING = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ"}
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
# A file of the format before zip archives holds so many pickles before its raw numbers.
_PICKLES_OF_OLD_FILES = 5


def check_nesting(file: IO[bytes]) -> None:
    """Check a PyTorch file before it is read.

    Args:
        file: Open file of `torch.save`, of its format before or since PyTorch 1.6, at its start.

    Raises:
        pickle.UnpicklingError: Tuples are nested deeper than `DEEPEST`, or an archive holds more
            than its size.
        Exception: The pickle is damaged; `pickletools` and `zipfile` raise errors of many kinds.
    """
    if not zipfile.is_zipfile(file):
        file.seek(0)
        for _ in range(_PICKLES_OF_OLD_FILES):
            _follow(file)
        return
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        # PyTorch stores its entries as they are, so what is packed was not written by it.
        if sum(entry.file_size for entry in entries) > file.seek(0, os.SEEK_END):
            raise pickle.UnpicklingError("the archive announces more than it holds")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                with archive.open(entry) as program:
                    _follow(program)


def _follow(file: IO[bytes]) -> None:
    """Follow one pickle to its end."""
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[Any, int] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name == "MARK":
            marks.append(len(stack))
        elif name in _PUTS:
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _GETS:
            stack.append(memo[argument])
        else:
            before = opcode.stack_before
            if pickletools.markobject in before:
                start = marks.pop() - before.index(pickletools.markobject)
            else:
                start = len(stack) - len(before)
            taken = stack[start:]
            depth = max(taken, default=0) + (name in _NESTING)
            if depth > DEEPEST:
                raise pickle.UnpicklingError(f"values are nested more than {DEEPEST} deep")
            stack[start:] = [depth] * len(opcode.stack_after)
