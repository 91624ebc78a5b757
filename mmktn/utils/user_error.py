"""Errors that a user can mend, and the one line in which commands say them."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

DEBUG_VARIABLE = "MMKTN_DEBUG"

_P = ParamSpec("_P")


class UserError(ValueError):
    """Something that the user gave cannot be used; the text names it and says what to do."""


def one_line_errors(name: str) -> Callable[[Callable[_P, int | None]], Callable[_P, int]]:
    """Let a command end with one line on stderr and status 1 where it would end in a traceback.

    An error of a kind that callers raise on purpose (`UserError`, `ValueError`, `OSError`,
    `ImportError`) is printed with its text. Any other error is called internal and printed with the
    place where it arose. `MMKTN_DEBUG=1` shows the traceback of both.

    Args:
        name: Name of the command, put before the message.

    Returns:
        A decorator for `main(...) -> exit status` (None counts as 0). `SystemExit` passes.
    """

    def decorate(main: Callable[_P, int | None]) -> Callable[_P, int]:
        @functools.wraps(main)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> int:
            try:
                return main(*args, **kwargs) or 0
            except KeyboardInterrupt:
                sys.stderr.write(f"{name}: interrupted\n")
                return 130
            except BrokenPipeError:
                # The reader of our output has gone (`| head`); Python would complain at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 1
            except Exception as error:
                if debugging():
                    traceback.print_exc()
                sys.stderr.write(f"{name}{_rank()}: {describe_error(error)}\n")
                return 1

        return guarded

    return decorate


def _rank() -> str:
    """Tell which process of a distributed run speaks; empty where there is one process."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return ""
    return f" (rank {os.environ.get('RANK', '?')})"


def debugging() -> bool:
    """Whether the user asked for tracebacks with `MMKTN_DEBUG=1`."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def describe_error(error: BaseException) -> str:
    """Return one line on an error, without control characters.

    Args:
        error: The error.

    Returns:
        Its text, for errors of the kinds that are raised for users; else its type, text and place.
    """
    if isinstance(error, MemoryError):
        text = f"not enough memory: {error}" if str(error) else "not enough memory"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror or type(error).__name__}"
    elif type(error).__module__.startswith("torch._dynamo"):
        reason = str(error).strip().partition("\n")[0]
        text = (
            f"compile: PyTorch's tracer cannot follow this model ({reason}); leave `compile` out "
            "of the config (--cfg-options compile=False) and --compile out of the command"
        )
    elif isinstance(error, RecursionError):
        text = f"too deeply nested ({_place(error)})"
    elif isinstance(error, ValueError | OSError | ImportError) and str(error):
        text = str(error)
    else:
        hint = "" if debugging() else f"; {DEBUG_VARIABLE}=1 shows the traceback"
        text = f"internal error, {type(error).__name__}: {error} ({_place(error)}{hint})"
    return one_line(text)


def one_line(text: str) -> str:
    """Make text one printable line: line breaks become spaces, control characters escapes."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


def _place(error: BaseException) -> str:
    """File and line where an error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no place known"
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
