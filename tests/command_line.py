"""What a command has to do with what it cannot use: one line on stderr, status 1."""

import contextlib
import io
import re
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path


def refused(main: Callable[..., int], arguments: Sequence[object], match: str) -> str:
    """Run a command that must refuse its input.

    Args:
        main: The command's `main(argv) -> status`.
        arguments: Its arguments.
        match: Regular expression that the line has to contain.

    Returns:
        The line.
    """
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        status = main([str(argument) for argument in arguments])
    lines = stream.getvalue().splitlines()
    assert status == 1
    assert re.search(match, lines[-1]), lines
    return lines[-1]


def run_script(path: str | Path) -> None:
    """Run a tool as `python PATH` with the arguments in `sys.argv`; it must end with status 0."""
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
