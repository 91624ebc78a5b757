import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mmktn.annotator import command
from mmktn.annotator.store import Store
from mmktn.surface.io import save_surface
from tests.command_line import refused
from tests.loopback import free_port
from tests.ring_doll import PARTS, ring_doll

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture
def given(tmp_path, photo_folder):
    """Arguments for the ring."""
    save_surface(ring_doll(), tmp_path / "ring.npz")
    (tmp_path / "parts.json").write_text(json.dumps(PARTS))
    return [
        *(str(photo_folder), "--out", str(tmp_path / "labels.json")),
        *("--surface", str(tmp_path / "ring.npz"), "--parts", str(tmp_path / "parts.json")),
    ]


def test_export_only_writes_the_file_and_may_do_so_again(given, tmp_path, capsys):
    for _ in range(2):
        assert command.main([*given, "--export-only"]) == 0
        data = json.loads((tmp_path / "labels.json").read_text())
        assert data["annotations"] == []
        assert data["categories"][0]["supercategory"] == "ring"


def test_a_file_of_somebody_else_is_kept(given, tmp_path):
    (tmp_path / "labels.json").write_text("precious")
    refused(command.main, [*given, "--export-only"], r"labels\.json exists")
    assert (tmp_path / "labels.json").read_text() == "precious"
    assert not list(tmp_path.glob("*.sqlite*"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (["--parts", "no.json"], r"no file no\.json"),
        (["--parts", "coarse"], "24 human charts"),
        (["--surface", "no.npz"], r"no\.npz"),
        (["--import", "no.json"], r"no file no\.json"),
        (["--host", "256.1.1.1"], r"--host 256\.1\.1\.1"),
        (["--model", "some"], "models propose parts of people, not of ring"),
    ],
)
def test_wrong_arguments_get_one_line(given, tmp_path, change, match):
    refused(command.main, [*given, *change], match)
    assert not (tmp_path / "labels.json").exists()


def test_a_start_that_fails_leaves_no_project_and_no_other_file_goes(given, tmp_path):
    """A second try with a better file to import must work; a copy with a like name stays."""
    copy = tmp_path / "labels.mmktn.sqlite.old"
    copy.write_text("labels of last week")
    data = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "in.json").write_text(json.dumps(data))
    arguments = [*given, "--import", str(tmp_path / "in.json"), "--export-only"]
    refused(command.main, arguments, "none has the name")
    refused(command.main, [*arguments, "--model", "some"], "models propose")
    assert copy.read_text() == "labels of last week"
    data["categories"] = [{"id": 1, "name": "person"}]
    (tmp_path / "in.json").write_text(json.dumps(data))
    assert command.main(arguments) == 0


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "labels.json"
    refused(command.main, [tmp_path / "empty", "--out", out], "no pictures in")
    refused(command.main, [tmp_path / "none", "--out", out], "is no folder")


def test_a_missing_package_names_the_extra(given, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    refused(command.main, given, r"mmktn\[annotate\]")


def test_only_loopback_needs_no_token():
    assert [command.is_loopback(h) for h in ("127.0.0.1", "localhost", "::1", "127.8.8.8")] == [
        True
    ] * 4
    assert [command.is_loopback(h) for h in ("0.0.0.0", "", "::", "10.0.0.1", "lab")] == [False] * 5


def test_a_killed_server_goes_on_where_it_stopped(given, tmp_path):
    """kill -9 after an acknowledged change; the next start has it."""
    port = free_port()
    environment = {**os.environ, "MMKTN_CACHE_DIR": str(tmp_path / "cache")}
    arguments = [*given, "--port", str(port), "--hidden", "0", "--view-size", "64"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmktn", "annotate", *arguments],
        stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("open "):
                assert f"http://127.0.0.1:{port}/ " in line
                break
        fields = {"annotator": "Ann", "tab": "t", "box": [5, 5, 60, 60]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/photos/2/people",
            json.dumps(fields).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            person = json.load(answer)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    store = Store(tmp_path / "labels.mmktn.sqlite")
    assert store.value(person["id"], "main", "box") == [5, 5, 60, 60]
    store.close()
    assert command.main([*given, "--export-only"]) == 0
    data = json.loads((tmp_path / "labels.json").read_text())
    assert [a["bbox"] for a in data["annotations"]] == [[5, 5, 60, 60]]
