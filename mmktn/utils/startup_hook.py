"""`python -m mmktn hook`: let every start of this Python import mmktn, or no longer.

The repairs of mmktn.compat act from `import mmktn` on. Our configs import mmktn, yet some entry
points of the host packages import what needs a repair (compiled operators, xtcocotools) before they
read any config. The hook is a `.pth` file, one line that Python runs at each start.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from mmktn.utils.output_files import write_text
from mmktn.utils.user_error import UserError, one_line_errors

NAME = "mmktn_at_startup.pth"
# Nothing is said where mmktn has gone, or does not fit its hosts: whoever imports it will be told.
LINE = (
    'import importlib.util; exec("try:\\n import mmktn\\nexcept Exception:\\n pass") '
    'if importlib.util.find_spec("mmktn") else None\n'
)


def hook_file(folder: str | Path | None = None) -> Path:
    """Place of the hook, whether it is there or not.

    Args:
        folder: Folder for packages; None: that of this Python.
    """
    return Path(folder or sysconfig.get_path("purelib")) / NAME


@one_line_errors("hook")
def main(argv: Sequence[str] | None = None) -> int:
    """Switch the hook, or tell its state.

    Args:
        argv: Arguments, None for those of the process.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m mmktn hook", description=__doc__)
    parser.add_argument("state", choices=["on", "off", "status"])
    parser.add_argument("--folder", help="folder for packages; default: that of this Python")
    args = parser.parse_args(argv)
    file = hook_file(args.folder)
    if file.is_file() and file.read_text(encoding="utf-8") != LINE:
        raise UserError(f"{file}: is not the hook that this version writes; remove it by hand")
    if args.state == "on":
        write_text(file, LINE)
    elif args.state == "off":
        file.unlink(missing_ok=True)
    sys.stdout.write(f"{'on' if file.is_file() else 'off'}: {file}\n")
    return 0
