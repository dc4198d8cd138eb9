"""Headless Chromium, controlled through a pipe with the DevTools protocol and no further library."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, and open only pages they wrote
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds

LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD_CLOEXEC, 10) for word in sys.argv[1:3]]
for end, wanted in zip(ends, (3, 4)):
    os.dup2(end, wanted)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# What puts the two ends of the pipes where Chromium wants them; preexec_fn is unsafe beside threads.


def find() -> str | None:
    """Return the path of a Chromium: $DMCNN_CHROMIUM, or one on the PATH."""
    return os.environ.get("DMCNN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """Browser that reads commands from descriptor 3 and answers on 4; a zero byte ends each message."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        words = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(commands), str(answers), *words],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._pages: dict[str, Page] = {}

    def open(
        self,
        path: Path,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        needs: str = "window.Plotly",
    ) -> Page:
        """Open a file in a new tab and wait until it is drawn."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height, dark)
        page.call("Page.navigate", url=path.resolve().as_uri())
        page.wait(f"document.readyState === 'complete' && {needs} !== undefined")
        return page

    def call(self, method: str, session: str = "", **arguments: Any) -> dict[str, Any]:
        """Send a command and return its result; events in between go to their page."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("Chromium does not answer")
            self._buffer += part
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        if "method" in message and message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].events.append(message)
        return message

    def close(self) -> None:
        """End the browser."""
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._out)
        os.close(self._in)


class Page:
    """Tab of the browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **arguments)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression, awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Bring the tab to the front, see ``mouse``, and wait until a JavaScript expression is true."""
        self.call("Page.bringToFront")
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"never true: {condition}; {self.complaints()}")
            time.sleep(0.02)

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Move, press or release the mouse, or turn its wheel, at a place in the window [px].

        The tab comes to the front first: Chromium draws no frames of others, and other tests may have opened some.
        """
        self.call("Page.bringToFront")
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def key(self, key: str, **more: Any) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.call("Page.bringToFront")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

    def complaints(self) -> list[str]:
        """Return exceptions, console errors and warnings, and errors in the log of the browser."""
        found = []
        for event in self.events:
            words = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(words["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and words["type"] in ("error", "warning"):
                found.append(json.dumps(words["args"]))
            elif event["method"] == "Log.entryAdded" and words["entry"]["level"] in ("error", "warning"):
                if words["entry"]["source"] == "rendering":
                    continue  # advice on the speed of drawing without a graphics card
                found.append(json.dumps(words["entry"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses that the page requested, except its own bytes."""
        urls = [
            e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def screenshot(self) -> bytes:
        """Return the content of the window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
