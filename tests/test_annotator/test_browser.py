"""The page in headless Chromium: a whole person, a killed server, two browsers at once."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmktn.annotation.body_parts import scheme_from_json
from mmktn.annotator import command
from mmktn.annotator.body import Body
from mmktn.annotator.hidden import render_hidden
from mmktn.annotator.store import Store
from mmktn.surface.io import save_surface
from tests.loopback import free_port
from tests.ring_doll import PARTS, ring_doll

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytest.importorskip("uvicorn")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(BROWSERS)}"),
]


@pytest.fixture(scope="module")
def chromium():
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def drawn_ring():
    """A photo of the ring, with the true part of each pixel."""
    ring = ring_doll()
    body = Body(ring, scheme_from_json(PARTS, ring, "parts.json"), view_size=96)
    made = render_hidden(body, None, 3)
    return made, body.scheme.part_of_chart[made.chart]


@pytest.fixture
def given(tmp_path, drawn_ring):
    made, _ = drawn_ring
    (tmp_path / "photos").mkdir()
    for name in ("one.jpg", "two.jpg"):
        cv2.imwrite(str(tmp_path / "photos" / name), made.picture[..., ::-1])
    save_surface(ring_doll(), tmp_path / "ring.npz")
    (tmp_path / "parts.json").write_text(json.dumps(PARTS))
    port = free_port()
    return port, [
        *(str(tmp_path / "photos"), "--out", str(tmp_path / "labels.json")),
        *("--surface", str(tmp_path / "ring.npz"), "--parts", str(tmp_path / "parts.json")),
        *("--hidden", "0", "--view-size", "96", "--port", str(port)),
    ]


@contextmanager
def serving(given, tmp_path):
    """The real command in a process of its own."""
    environment = {**os.environ, "MMKTN_CACHE_DIR": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mmktn", "annotate", *given[1]],
        stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("open "):
                break
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Page:
    """A tab of one annotator."""

    def __init__(self, chromium, port, annotator):
        self.context = chromium.new_context(viewport={"width": 1360, "height": 860})
        self.tab = self.context.new_page()
        self.errors = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.add_init_script(f"localStorage.setItem('annotator', '{annotator}')")
        self.address = f"http://127.0.0.1:{port}/?pace=0"

    def open(self):
        self.tab.goto(self.address)
        self.until("document.body.dataset.ready === 'yes'")

    def until(self, condition, seconds=120):
        # Not wait_for_function: it evaluates text in the page, which its security policy forbids.
        limit = time.monotonic() + seconds
        while not self.tab.evaluate(condition):
            assert time.monotonic() < limit, f"{condition}; {self.errors}"
            time.sleep(0.05)

    def at(self, x, y):
        """Place of the window where the photo's pixel shows."""
        return self.tab.evaluate(
            "([x, y]) => { const r = document.getElementById('photo').getBoundingClientRect();"
            "const [a, b] = app.viewer.toScreen(x, y); return [a + r.left, b + r.top]; }",
            [float(x), float(y)],
        )

    def click(self, x, y):
        self.tab.mouse.click(*self.at(x, y))

    def drag(self, first, last):
        self.tab.mouse.move(*self.at(*first))
        self.tab.mouse.down()
        self.tab.mouse.move(*self.at(*last), steps=4)
        self.tab.mouse.up()

    def key(self, *keys):
        for name in keys:
            self.tab.keyboard.press(name)


def draw_box(page, box):
    x, y, w, h = box
    before = page.tab.evaluate("app.photo.people.length")
    page.drag((x - 2, y - 2), (x + w + 2, y + h + 2))
    page.until(f"app.person && app.photo.people.length === {before + 1}")


def paint_parts(page, parts):
    """A stroke through the middle of each visible part, and a polygon of one."""
    page.key("2")
    page.until("app.step === app.steps.parts")
    for number in range(1, 5):
        rows, columns = np.nonzero(parts == number)
        if len(rows) < 400:
            continue
        middle = len(rows) // 2
        x, y = columns[middle], rows[middle]
        page.until(f"app.steps.parts.setPart({number}) || true")
        page.drag((x - 6, y), (x + 6, y))
    page.key("l")
    for corner in ((0, 0), (30, 0), (30, 30), (0, 30)):
        page.click(200 + corner[0], 8 + corner[1])
    page.key("c")
    page.until("app.steps.parts.saving.then(() => true)")


def place_points(page, count=None):
    """Click each blinking point into the middle of the first view."""
    page.until("app.step === app.steps.points && app.steps.points.images")
    total = page.tab.evaluate("app.person.points.length")
    for _ in range(total if count is None else count):
        page.until("app.steps.points.images && !app.steps.points.placing")
        done = page.tab.evaluate("Object.keys(app.person.clicks).length")
        page.tab.evaluate(
            "app.steps.points.chooseView(0); app.steps.points.cross = window.spot ?? [48, 48]"
        )
        page.key("Enter")
        page.until(f"Object.keys(app.person.clicks).length > {done} || !app.steps.points.placing")
        if page.tab.evaluate("Object.keys(app.person.clicks).length") == done:
            page.key("u")  # the middle of the view is beside the part: cannot tell
            page.until(f"Object.keys(app.person.clicks).length > {done}")
        elif page.tab.evaluate("Boolean(app.steps.points.guard?.warning)"):
            page.tab.evaluate("app.steps.points.nextOpen()")
    return total


def test_a_whole_person_with_a_killed_server_in_the_middle(chromium, given, tmp_path, drawn_ring):
    made, parts = drawn_ring
    with serving(given, tmp_path) as first:
        page = Page(chromium, given[0], "Ann")
        page.open()
        draw_box(page, made.box)
        paint_parts(page, parts)
        page.key("f")
        place_points(page, 5)
        page.until("app.steps.points.canvas3d.width > 0 && app.steps.points.body?.gl !== null")
        first.kill()
        first.wait()
        # The click while nobody answers stays in the page ...
        done = page.tab.evaluate("Object.keys(app.person.clicks).length")
        page.key("u")
        page.until("!document.getElementById('banner').hidden")
        assert page.tab.evaluate("Object.keys(app.person.clicks).length") == done
    assert len(Store(tmp_path / "labels.mmktn.sqlite").entries(1, "main", "click")) == done
    with serving(given, tmp_path):
        # ... and arrives when the server is back.
        page.until(f"Object.keys(app.person.clicks).length === {done + 1}")
        page.until("document.getElementById('banner').hidden")
        page.context.close()  # and the tab is closed, too
        page = Page(chromium, given[0], "Ann")
        page.open()  # comes back to the same person and step
        page.until("app.step === app.steps.points")
        assert page.tab.evaluate("Object.keys(app.person.clicks).length") == done + 1
        place_points(page, page.tab.evaluate("app.person.points.length") - done - 1)
        page.key("z")
        total = page.tab.evaluate("app.person.points.length")
        page.until(f"Object.keys(app.person.clicks).length === {total - 1}")
        place_points(page, 1)
        page.key("f")
        page.until("app.step === app.steps.keypoints")
        page.click(150, 200)
        page.until("app.person.keypoints.left_end")
        page.key("ArrowLeft", "Enter")  # a keypoint by keys alone
        page.until("app.person.keypoints.right_end")
        page.key("f")
        page.until("app.photo.people.length === 1 && app.step === app.steps.boxes || !app.person")
        page.key("x")
        page.until(
            "/checker finds nothing wrong/.test(document.getElementById('hint').textContent)"
        )
        assert page.errors == []
        page.context.close()
    data = json.loads((tmp_path / "labels.json").read_text())
    (person,) = data["annotations"]
    placed = len(person["dp_x"]) + len(person["mmktn"]["skipped"])
    assert placed == total
    assert len(person["dp_x"]) > total / 2
    assert person["num_keypoints"] == 2
    assert person["mmktn"]["stage"] == "done"
    assert set(person["mmktn"]["seconds"]["main"]) == {"Ann"}
    assert command.main([*given[1], "--export-only"]) == 0


def test_two_browsers_do_not_overwrite_each_other(chromium, given, tmp_path, drawn_ring):
    made, parts = drawn_ring
    with serving(given, tmp_path):
        ann, ben = (Page(chromium, given[0], name) for name in ("Ann", "Ben"))
        ann.open()
        ben.open()
        photos = [page.tab.evaluate("app.photo.id") for page in (ann, ben)]
        assert sorted(photos) == [1, 2]  # each has a task of its own
        for page in (ann, ben):
            draw_box(page, made.box)
        for page in (ann, ben):
            paint_parts(page, parts)
        ben.tab.evaluate(f"app.openPhoto({photos[0]})")
        ben.until(f"app.photo.id === {photos[0]} && app.photo.people.length === 1")
        ben.tab.evaluate("app.choose(app.photo.people[0].id)")
        ben.until("/Ann is at work/.test(document.getElementById('hint').textContent)")
        assert ann.errors == ben.errors == []
        for page in (ann, ben):
            page.context.close()
    store = Store(tmp_path / "labels.mmktn.sqlite")
    owners = {p["photo"]: {e.annotator for e in store.entries(p["id"])} for p in store.people()}
    assert owners == {photos[0]: {"Ann"}, photos[1]: {"Ben"}}
    store.close()


def test_a_thousand_pictures_open_at_once(chromium, given, tmp_path, drawn_ring):
    made, _ = drawn_ring
    _, code = cv2.imencode(".jpg", made.picture)
    for number in range(1000):
        (tmp_path / "photos" / f"more-{number:04d}.jpg").write_bytes(code.tobytes())
    with serving(given, tmp_path):
        page = Page(chromium, given[0], "Ann")
        page.open()
        assert page.tab.evaluate("document.querySelectorAll('#photos li').length") == 1002
        # Seconds of work, not of the clock: other tests may run on this machine.
        session = page.context.new_cdp_session(page.tab)
        session.send("Performance.enable")
        page.tab.evaluate("app.refresh()")
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        assert metrics["ScriptDuration"] + metrics["LayoutDuration"] < 2
        page.context.close()
