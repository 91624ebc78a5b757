"""`python -m mmktn COMMAND ...`: the commands of the package.

There are no console scripts: with one in the wheel, onedl-mim takes the wrong folder for the
package (see setup.py).
"""

import importlib
import sys
from collections.abc import Callable, Sequence

from mmktn.utils.user_error import one_line_errors

# Command -> function `(argv) -> exit status`, as module:function, and what it does.
COMMANDS = {
    "app": ("mmktn.app.command:main", "a local page: photo in, dense pose out"),
    "annotate": ("mmktn.annotator.command:main", "label dense pose on a local web page"),
    "doctor": ("mmktn.doctor:main", "what is installed, in use and missing"),
    "doctor-labels": ("mmktn.label_doctor.command:main", "what looks wrong in annotations"),
    "models": ("mmktn.zoo.command:main", "published weights by name, and which are here"),
    "predict": ("mmktn.apis.predict_command:main", "dense pose of many pictures, resumable"),
    "ray": ("mmktn.apis.ray_command:main", "dense pose of many pictures on a Ray cluster"),
    "detect": ("mmktn.apis.detect_command:main", "person boxes of a detector, for top-down tests"),
    "video": ("mmktn.apis.video_command:main", "dense pose of a film, as a film"),
    "evaluate": ("mmktn.evaluation.cli:main", "score a result file"),
    "import-fits": ("mmktn.synthetic.fits_command:main", "fitted bodies to annotations, results"),
    "export": ("mmktn.export.command:main", "a system as files for engines without torch"),
    "hook": ("mmktn.utils.startup_hook:main", "import mmktn at each start of this Python, or not"),
    "train": ("mmktn.apis.train_command:main", "train a config"),
    "test": ("mmktn.apis.test_command:main", "score a checkpoint on the test set of its config"),
    "check": ("mmktn.formats.check_command:main", "list the faults of annotation files"),
    "browse": ("mmktn.apis.browse_command:main", "draw what a data set gives"),
    "synthesize": ("mmktn.synthetic.command:main", "render people with exact labels"),
    "label": (
        "mmktn.apis.label_command:main",
        "a teacher's labels of every pixel",
    ),
    "bootstrap": ("mmktn.apis.bootstrap_command:main", "a teacher's labels on pictures and films"),
    "convert": ("mmktn.apis.convert_command:main", "detectron2's and KTN's checkpoints"),
    "convert-stip": ("mmktn.stip.convert_command:main", "STIP's checkpoints"),
    "fold": ("mmktn.apis.fold_command:main", "bake KTM into one kernel"),
    "publish": ("mmktn.apis.publish_command:main", "make a checkpoint ready to be handed out"),
    "config": ("mmktn.utils.config_command:main", "print a config as it stands after its bases"),
    "flops": ("mmktn.apis.flops_command:main", "operations and parameters of a config"),
    "logs": ("mmktn.utils.logs_command:main", "curves and times of training logs"),
    "calibrate": ("mmktn.apis.calibrate_command:main", "predicted against true errors"),
    "surface": ("mmktn.surface.import_command:main", "official surface files as one file of mmktn"),
    "query": ("mmktn.apis.query_command:main", "entries of an annotation file by expression"),
    "report": ("mmktn.evaluation.cli:report_main", "explain a result file on an HTML page"),
    "shared": ("mmktn.formats.shared_command:main", "which pictures two sets share"),
}


def usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<14} {text}" for name, (_, text) in COMMANDS.items()]
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
    return one_line_errors(command)(lambda: _function(COMMANDS[command][0])(rest))()


def _function(place: str) -> Callable[[Sequence[str]], int]:
    """Return the function behind a command."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    sys.exit(main())
