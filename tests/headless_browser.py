"""Chromium without a window, spoken to through its DevTools pipe; needs nothing but Chromium."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

BINARIES = ("chromium", "chromium-browser", "google-chrome")


def find_browser():
    """Path of a browser, or None."""
    return next(filter(None, map(shutil.which, BINARIES)), None)


class Browser:
    """One page; use as a context manager.

    Args:
        downloads: Folder that downloads go to.
        timeout: Seconds that anything may take.
    """

    def __init__(self, downloads, timeout=120):
        self.timeout, self._number, self._buffer = timeout, 0, b""
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-")
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        def place():
            # The pipe is expected at 3 and 4.
            spare = os.dup(to_write)
            os.dup2(to_read, 3)
            os.dup2(spare, 4)

        self._process = subprocess.Popen(
            [
                find_browser(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                "--window-size=1280,1500",
                f"--user-data-dir={self._profile.name}",
            ],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        self._session = attached["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def call(self, method, **params):
        """Send one command and give its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self.timeout
        while True:
            while b"\0" not in self._buffer:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self._read], [], [], left)[0]:
                    raise TimeoutError(f"{method}: no answer in {self.timeout} s")
                self._buffer += os.read(self._read, 1 << 20)
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def run(self, script):
        """Value of a script in the page."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return found["result"].get("value")

    def wait_for(self, script):
        """Wait until a script gives something true, and give it."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            if value := self.run(script):
                return value
            time.sleep(0.5)
        text = self.run("document.body.innerText")
        raise TimeoutError(f"{script} stayed false; the page says: {text}")

    def choose_file(self, selector, file):
        """Put a file into an input of files."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def screenshot(self, path):
        """Write the whole page as a picture."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
