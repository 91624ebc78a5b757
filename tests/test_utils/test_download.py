"""Files from a server that cuts, lies, redirects and refuses: whole and right, or not at all."""

import errno
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from mmktn.utils import download, partial_download
from mmktn.utils.download import Pin, fetch, home_folder, place_of
from mmktn.utils.output_files import DiskFullError
from mmktn.utils.user_error import UserError
from tests.loopback import serve

# Several blocks of the reader, and no round number of them.
BODY = bytes(range(256)) * 12_000 + b"end"
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_HOME", str(tmp_path / "home"))
    for name in ("MMKTN_MIRROR", "MMKTN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0)
    with serve() as served:
        served.files["/w/model.pkl"] = BODY
        yield served


@pytest.fixture
def address(server):
    return f"{server.address}/w/model.pkl"


def left():
    """Names of the files in the home, locks aside."""
    files = home_folder().rglob("*")
    return sorted(p.name for p in files if p.is_file() and p.suffix != ".lock")


def break_off(server, address):
    """Let a transfer stop for good in the middle."""
    server.cut = {"/w/model.pkl"}
    server.marks["/w/model.pkl"] = '"v1"'
    with pytest.raises(UserError, match=r"try again; the first \d+ bytes are kept"):
        fetch(address)
    server.cut = set()
    server.asked.clear()
    server.ranges.clear()


def test_a_file_is_fetched_once_and_its_hash_is_told(server, address, capsys):
    for _ in range(2):
        found = fetch(address, Pin(len(BODY), SHA256))
        assert found.path.read_bytes() == BODY
        assert (found.sha256, found.bytes) == (SHA256, len(BODY))
    assert server.asked == ["/w/model.pkl"]
    assert left() == ["model.pkl", "model.pkl.json"]
    line = capsys.readouterr().err
    assert line == f"fetching model.pkl (3.1 MB) from {address}\n"


@pytest.mark.parametrize("pin", [Pin(), Pin(len(BODY), SHA256)])
def test_a_cut_transfer_goes_on_where_it_stopped(server, address, pin):
    server.marks["/w/model.pkl"] = '"v1"'
    server.cut = {"/w/model.pkl": 2}
    assert fetch(address, pin).sha256 == SHA256
    half = len(BODY) // 2
    second = half + (len(BODY) - half) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={second}-"]


def test_a_later_run_goes_on_too(server, address):
    break_off(server, address)
    assert left() == ["model.pkl.part", "model.pkl.part.json"]
    size = place_of(address).with_name("model.pkl.part").stat().st_size
    assert fetch(address).path.read_bytes() == BODY
    assert server.ranges == [f"bytes={size}-"]
    assert left() == ["model.pkl", "model.pkl.json"]


def test_a_file_that_changed_on_the_server_starts_anew(server, address):
    break_off(server, address)
    server.files["/w/model.pkl"] = BODY[::-1]
    server.marks["/w/model.pkl"] = '"v2"'
    assert fetch(address).path.read_bytes() == BODY[::-1]


def test_a_part_longer_than_the_file_starts_anew(server, address):
    break_off(server, address)
    server.files["/w/model.pkl"] = b"short"
    assert fetch(address).path.read_bytes() == b"short"
    assert [asked is None for asked in server.ranges] == [False, True]


@pytest.mark.parametrize("note", ["", "[]", '{"source": 1}', '{"source": "S", "mark": 3}'])
def test_a_part_with_a_damaged_note_starts_anew(server, address, note):
    break_off(server, address)
    place_of(address).with_name("model.pkl.part.json").write_text(note.replace("S", address))
    assert fetch(address).sha256 == SHA256
    assert server.ranges == [None]


def test_a_whole_part_needs_no_request(server, address):
    break_off(server, address)
    place_of(address).with_name("model.pkl.part").write_bytes(BODY)
    assert fetch(address).sha256 == SHA256
    assert server.asked == []


def test_without_a_version_mark_nothing_is_kept(server, address):
    server.cut = {"/w/model.pkl"}
    with pytest.raises(UserError, match=r"was cut after \d+ of 3072003 bytes; try again$"):
        fetch(address)
    assert len(server.asked) == download.TRIES
    assert set(server.ranges) == {None}
    assert left() == []


def test_a_part_of_another_content_is_found_by_the_pin(server, address):
    """A server that goes on with another file of the same length and mark."""
    break_off(server, address)
    server.files["/w/model.pkl"] = BODY[::-1]
    with pytest.raises(UserError, match="not the one that is known"):
        fetch(address, Pin(len(BODY), SHA256))
    assert left() == []


@pytest.mark.parametrize(
    ("pin", "match"),
    [
        (Pin(len(BODY) + 1), "the server has 3072003 bytes, not the 3072004 that are known"),
        (
            Pin(None, "0" * 64),
            r"not the one that is known \(SHA-256 .*, not 0000000000000000\.\.\.",
        ),
    ],
)
def test_another_content_than_the_known_one_is_not_kept(server, address, pin, match):
    with pytest.raises(UserError, match=match):
        fetch(address, pin)
    assert left() == []


def test_a_short_file_without_announced_length_is_found_by_the_pin(server, address):
    server.lengths["/w/model.pkl"] = None
    server.cut = {"/w/model.pkl"}
    with pytest.raises(UserError, match="has 1536001 bytes, not the 3072003 that are known"):
        fetch(address, Pin(len(BODY), SHA256))
    assert left() == []


def test_an_announced_length_that_is_too_large_is_a_cut(server, address):
    server.lengths["/w/model.pkl"] = len(BODY) + 10
    with pytest.raises(UserError, match="was cut after 3072003 of 3072013 bytes"):
        fetch(address)
    assert left() == []


@pytest.mark.parametrize(("code", "tries"), [(403, 1), (404, 1), (410, 1), (503, download.TRIES)])
def test_a_refusal_is_named(server, address, code, tries):
    server.answers["/w/model.pkl"] = code
    with pytest.raises(UserError, match=rf"model\.pkl: the server answers {code} \w+") as refused:
        fetch(address, mirrored=True)
    assert "put model.pkl into a folder and set MMKTN_MIRROR" in str(refused.value)
    assert len(server.asked) == tries
    assert left() == []


def test_no_server_is_named(server):
    with pytest.raises(UserError, match=r"cannot be reached \(.*\); is there a network\?"):
        fetch("http://127.0.0.1:9/model.pkl")
    with pytest.raises(UserError, match="not an address"):
        fetch("ftp://127.0.0.1/model.pkl")


def test_redirects_are_followed_and_bounded(server, address):
    server.redirects = {"/a": "/b", "/b": "/w/model.pkl", "/loop": "/loop"}
    found = fetch(f"{server.address}/a")
    assert found.sha256 == SHA256
    assert found.path.name == "a"
    with pytest.raises(UserError, match="infinite loop"):
        fetch(f"{server.address}/loop")
    server.redirects["/file"] = Path(__file__).as_uri()
    with pytest.raises(UserError, match=r"Redirection to url 'file:.*not allowed"):
        fetch(f"{server.address}/file")


def test_a_redirect_to_plain_http_is_refused():
    request = download.urllib.request.Request("https://example.org/a")
    with pytest.raises(UserError, match="not safe"):
        download._SafeRedirects().redirect_request(
            request, None, 302, "", http.client.HTTPMessage(), "http://example.org/a"
        )


def test_a_cut_transfer_behind_a_redirect_goes_on(server):
    server.redirects = {"/a.pkl": "/w/model.pkl"}
    server.marks["/w/model.pkl"] = '"v1"'
    server.cut = {"/w/model.pkl": 1}
    assert fetch(f"{server.address}/a.pkl").sha256 == SHA256
    assert server.ranges[-1] == f"bytes={len(BODY) // 2}-"


def test_a_web_page_is_no_checkpoint(server, address):
    server.kinds["/w/model.pkl"] = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="sends a web page"):
        fetch(address)
    assert left() == []


def test_packed_content_is_refused(server, address):
    server.codings["/w/model.pkl"] = "gzip"
    with pytest.raises(UserError, match=r"sends it packed \(gzip\)"):
        fetch(address)
    assert left() == []


def test_an_empty_answer_is_an_empty_file(server, address):
    server.files["/w/model.pkl"] = b""
    assert fetch(address).bytes == 0
    assert len(server.asked) == 1


def test_a_full_disk_is_named_before_and_during_the_transfer(server, address, monkeypatch):
    with monkeypatch.context() as patch:
        usage = namedtuple("usage", "total used free")
        patch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
        with pytest.raises(DiskFullError, match=r"needs 3\.1 MB and the disk has 1000 bytes left"):
            fetch(address)
        assert left() == []

    begin = partial_download.PartialDownload.begin

    class Full:
        def write(self, block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self):
            self.write(b"")

    def begin_on_a_full_disk(self, **kwargs):
        begin(self, **kwargs)
        self._handle.close()
        self._handle = Full()

    server.marks["/w/model.pkl"] = '"v1"'
    with monkeypatch.context() as patch:
        patch.setattr(partial_download.PartialDownload, "begin", begin_on_a_full_disk)
        with pytest.raises(DiskFullError, match=r"model\.pkl cannot be written: the disk is full"):
            fetch(address)
    assert left() == []


def test_a_home_that_is_a_file_is_named(server, address, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMKTN_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="MMKTN_HOME names the folder"):
        fetch(address)


def test_an_interrupted_transfer_is_kept_and_said(server, address, monkeypatch, capsys):
    server.marks["/w/model.pkl"] = '"v1"'
    write = partial_download.PartialDownload.write

    def interrupted(self, block):
        if self.size:
            raise KeyboardInterrupt
        write(self, block)

    with monkeypatch.context() as patch:
        patch.setattr(partial_download.PartialDownload, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(address)
    assert "bytes are kept; the next try goes on" in capsys.readouterr().err
    assert not place_of(address).exists()
    assert fetch(address).sha256 == SHA256
    assert server.ranges[-1].startswith("bytes=1048576")


def test_a_file_that_was_damaged_since_is_named(server, address):
    path = fetch(address).path
    path.write_bytes(BODY[:-1])
    with pytest.raises(UserError, match=r"has 3072002 bytes, and had 3072003 .* delete it"):
        fetch(address)


def test_offline_forbids_the_network_and_not_what_is_there(server, address, monkeypatch):
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    with pytest.raises(UserError, match="MMKTN_OFFLINE=1 forbids"):
        fetch(address)
    assert server.asked == []
    monkeypatch.setenv("MMKTN_OFFLINE", "0")
    fetch(address)
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    assert fetch(address).sha256 == SHA256


def test_another_server_stands_in_as_mirror(server, monkeypatch):
    monkeypatch.setenv("MMKTN_MIRROR", f"{server.address}/copy/")
    server.files["/copy/w/model.pkl"] = BODY
    official = "https://127.0.0.1:9/w/model.pkl"
    assert fetch(official, Pin(len(BODY), SHA256), mirrored=True).sha256 == SHA256
    assert server.asked == ["/copy/w/model.pkl"]


@pytest.mark.parametrize("place", ["w/model.pkl", "model.pkl"])
def test_a_folder_stands_in_as_mirror_offline_too(server, place, tmp_path, monkeypatch):
    file = tmp_path / "mirror" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    monkeypatch.setenv("MMKTN_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    found = fetch("https://127.0.0.1:9/w/model.pkl", Pin(len(BODY), SHA256), mirrored=True)
    assert (found.path, found.sha256) == (file, SHA256)
    with pytest.raises(UserError, match=r"mirror has no other\.pkl; put that file"):
        fetch("https://127.0.0.1:9/w/other.pkl", mirrored=True)
    with pytest.raises(UserError, match="not the one that is known"):
        fetch("https://127.0.0.1:9/w/model.pkl", Pin(None, "0" * 64), mirrored=True)
    monkeypatch.setenv("MMKTN_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"MMKTN_MIRROR=.*nowhere: no such folder"):
        fetch("https://127.0.0.1:9/w/model.pkl", mirrored=True)


def test_two_threads_fetch_once(server, address, capsys):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(address).sha256)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SHA256] * 4
    assert server.asked == ["/w/model.pkl"]


@pytest.mark.multiprocess
def test_a_second_process_waits_and_a_killed_one_leaves_a_part(server, address):
    """The first process is killed in the middle; the second, which waits, goes on behind it."""
    server.marks["/w/model.pkl"] = '"v1"'
    stalled = "\n".join(
        [
            "import sys, time",
            "from mmktn.utils import partial_download as p",
            "write = p.PartialDownload.write",
            "def slow(self, block):",
            "    write(self, block)",
            "    self._handle.flush()",
            "    print('stalled', flush=True)",
            "    time.sleep(60)",
            "p.PartialDownload.write = slow",
            "from mmktn.utils.download import fetch",
            "fetch(sys.argv[1])",
        ]
    )
    first = subprocess.Popen(
        [sys.executable, "-c", stalled, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert first.stdout.readline() == b"stalled\n"
    second = []
    waiting = threading.Thread(target=lambda: second.append(fetch(address).sha256))
    waiting.start()
    time.sleep(0.2)
    assert second == []
    first.kill()
    first.wait()
    first.stdout.close()
    waiting.join()
    assert second == [SHA256]
    assert server.ranges == [None, "bytes=1048576-"]


def test_neither_torch_nor_the_hosts_are_needed():
    code = (
        "import sys, mmktn.utils.download, mmktn.utils.user_error; "
        "heavy = {'torch', 'numpy', 'mmengine', 'rich'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
