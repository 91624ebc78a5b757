"""The page in a browser: from the upload to the download, and what it does not give away."""

import threading
import urllib.error
import urllib.request
import zipfile

import cv2
import numpy as np
import pytest

from mmktn.app import command
from tests.headless_browser import Browser, find_browser
from tests.test_projects.one_person import OnePerson

pytest.importorskip("gradio", reason="gradio is not installed: pip install 'mmktn[app]'")
page = pytest.importorskip("mmktn.app.page")
needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")


@pytest.fixture
def address(monkeypatch, capfd):
    """A running page whose models see one person in every photo."""
    monkeypatch.setattr(page, "opened", lambda name: OnePerson())
    running, stop = threading.Event(), threading.Event()
    found = []

    def serve(args, models):
        blocks = page.build_page(models, max_pixels=10_000, queue=2)
        _, where, _ = blocks.launch(
            server_name=args.host, prevent_thread_lock=True, quiet=True, max_file_size="1mb"
        )
        found.append(where)
        running.set()
        stop.wait()
        blocks.close()

    monkeypatch.setattr(command, "_serve", serve)
    thread = threading.Thread(target=command.main, args=(["--model", "first", "second"],))
    thread.start()
    assert running.wait(120)
    yield found[0]
    stop.set()
    thread.join()


def status_of(address):
    try:
        return urllib.request.urlopen(address, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


@needs_browser
def test_from_upload_to_download(address, tmp_path):
    photo = np.full((60, 80, 3), 120, np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    assert address.startswith("http://127.0.0.1:")
    for path in ("/etc/passwd", str(tmp_path / "photo.png")):
        assert status_of(f"{address}gradio_api/file={path}") in (403, 404)
    with Browser(tmp_path) as browser:
        browser.call("Page.navigate", url=address)
        browser.wait_for("document.querySelector('input[type=file]') !== null")
        browser.choose_file("input[type=file]", tmp_path / "photo.png")
        browser.wait_for("document.querySelector('img[src*=\"photo\"]') !== null")
        browser.run("document.querySelector('#look').click()")
        link = browser.wait_for("(document.querySelector('#files a') || {}).href")
        assert browser.wait_for("document.querySelector('#charts img') !== null")
        assert "0.8" in browser.run("document.querySelector('#people').innerText")
        browser.screenshot(tmp_path / "page.png")
    with urllib.request.urlopen(link, timeout=60) as answer:
        (tmp_path / "all.zip").write_bytes(answer.read())
    with zipfile.ZipFile(tmp_path / "all.zip") as handle:
        assert any(name.endswith("_IUV.png") for name in handle.namelist())
    assert cv2.imread(str(tmp_path / "page.png")).shape[1] >= 1000
