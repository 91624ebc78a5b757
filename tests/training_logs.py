"""What mmengine wrote down while a test trained."""

import json
from pathlib import Path
from typing import Any


def logged(work_dir: Path) -> list[dict[str, Any]]:
    """Entries of all runs of a work folder in order.

    Runs that begin in the same second share a file, so a run's own entries are those that were not
    there before it.
    """
    files = sorted(work_dir.glob("*/vis_data/scalars.json"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
