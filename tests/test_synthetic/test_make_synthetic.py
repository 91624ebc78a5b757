import contextlib
import io
import json
from dataclasses import dataclass

from PIL import Image

from mmktn.synthetic import command
from tests.command_line import refused


@dataclass
class Ended:
    returncode: int
    stderr: str


def run(*args):
    """The command in this process."""
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        status = command.main([*map(str, args)])
    return Ended(status, stream.getvalue())


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
    assert bad.stderr.startswith("synthesize: people (3, 1)")


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


def test_what_is_no_set_of_this_command_stays(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.jpg").write_bytes(b"mine")
    (tmp_path / "sheet.png").write_bytes(b"mine")
    main = command.main
    refused(main, ["--out", tmp_path, "--overwrite"], "was not made by this command")
    refused(main, ["--out", tmp_path / "sheet.png"], "is a file")
    refused(main, ["--out", tmp_path / "new", "--train", -1], "--train -1")
    refused(main, ["--out", tmp_path / "new", "--size", 10**6, 10**6], "pixels")
    refused(main, ["--out", tmp_path / "new", "--surface", tmp_path / "sheet.png"], "sheet.png")
    refused(main, ["--overview", tmp_path / "sheet.png"], "exists")
    assert (tmp_path / "train" / "mine.jpg").read_bytes() == b"mine"
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    assert not (tmp_path / "new").exists()
