"""What a command has to do with what it cannot use: one line on stderr, status 1."""

import contextlib
import io
import re
from collections.abc import Callable, Sequence


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
