import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "dataset_converters" / "make_synthetic.py"


def run(*args):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_writes_a_set_once_and_says_why_not_twice(tmp_path):
    out = tmp_path / "set"
    args = ("--out", out, "--train", 2, "--val", 1, "--size", 96, 80, "--workers", 1, "--seed", 5)
    done = run(*args)
    assert done.returncode == 0, done.stderr
    metadata = json.loads((out / "metadata.json").read_text())
    assert metadata["splits"]["train"]["images"] == 2
    assert metadata["arguments"]["seed"] == 5
    assert metadata["arguments"]["scene"]["size_hw"] == [96, 80]
    assert len(list((out / "train").iterdir())) == 2
    assert len(list((out / "dense" / "val").iterdir())) == 1
    assert "--seed 5" in (out / "README.md").read_text()

    again = run(*args)
    assert again.returncode == 1
    assert "exists: name another --out or add --overwrite" in again.stderr
    assert "Traceback" not in again.stderr

    metadata_bytes = (out / "metadata.json").read_bytes()
    assert run(*args, "--overwrite").returncode == 0
    assert (out / "metadata.json").read_bytes() == metadata_bytes


def test_bad_arguments_end_with_one_line(tmp_path):
    bad = run("--out", tmp_path / "x", "--people", 3, 1)
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: people (3, 1)")


def test_overview_is_written_as_png_and_as_jpg(tmp_path):
    sizes = {}
    for suffix in ("png", "jpg"):
        sheet = tmp_path / "new" / f"sheet.{suffix}"
        done = run("--overview", sheet, "--overview-images", 0, "--size", 96, 80)
        assert done.returncode == 0, done.stderr
        with Image.open(sheet) as picture:
            sizes[suffix] = picture.size
    assert sizes["png"] == sizes["jpg"]
    bad = run("--overview", tmp_path / "sheet.what")
    assert bad.returncode == 1
    assert "sheet.what" in bad.stderr
    assert "Traceback" not in bad.stderr
