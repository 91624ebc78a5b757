"""`python -m mmktn COMMAND ...`: the commands of the package.

There are no console scripts: with one in the wheel, onedl-mim takes the wrong folder for the
package (see setup.py).
"""

import importlib
import sys
from collections.abc import Sequence

from mmktn.utils.user_error import one_line_errors

# Command -> function `(argv) -> exit status`, as module:function, and what it does.
COMMANDS = {
    "annotate": ("mmktn.annotator.command:main", "label dense pose on a local web page"),
    "doctor": ("mmktn.doctor:main", "what is installed, in use and missing"),
    "models": ("mmktn.zoo.command:main", "published weights by name, and which are here"),
    "predict": ("mmktn.apis.predict_command:main", "dense pose of many pictures, resumable"),
    "detect": ("mmktn.apis.detect_command:main", "person boxes of a detector, for top-down tests"),
    "evaluate": ("mmktn.evaluation.cli:main", "score a result file"),
    "hook": ("mmktn.utils.startup_hook:main", "import mmktn at each start of this Python, or not"),
    "report": ("mmktn.evaluation.cli:report_main", "explain a result file on an HTML page"),
    "shared": ("mmktn.formats.shared_command:main", "which pictures two sets share"),
}


def usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: python -m mmktn COMMAND ...", "", *lines, "", "COMMAND -h: its help"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Command and its arguments, None for those of the process.

    Returns:
        The command's exit status; 2 for an unknown command.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    command, *rest = arguments
    if command not in COMMANDS:
        print(f"unknown command {command!r}\n\n{usage()}", file=sys.stderr)
        return 2
    module, _, function = COMMANDS[command][0].partition(":")
    run = one_line_errors(command)(lambda: getattr(importlib.import_module(module), function)(rest))
    return run()


if __name__ == "__main__":
    sys.exit(main())
