"""Headless Chromium over its DevTools pipe: no driver, no library, no port."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from typing import Any, Self

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
SECONDS = 30.0
"""How long one command may take."""

# Chromium reads commands from descriptor 3 and writes answers to 4.
_LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """The path of Chromium on this machine, None if there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserError(Exception):
    """Chromium ended, stayed silent or refused a command."""


class Browser:
    """One Chromium with one page. Use it with `with`."""

    def __init__(self, chromium: str) -> None:
        self._chromium = chromium
        self._next_id = 0
        self._buffer = b""
        self._session: str | None = None
        self.console: list[str] = []
        """What the page's console has said since it was opened: errors and refused content."""

    def __enter__(self) -> Self:
        """Start Chromium and attach to an empty page. Raises BrowserError."""
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._start()
        try:
            target = self.command("Target.createTarget", url="about:blank")["targetId"]
            attached = self.command("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.command(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str, width: int, height: int, dark: bool = False) -> None:
        """Load `url` in a window of this size in CSS pixels. Raises BrowserError."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.console.clear()
        failed = self.command("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self._until("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression on the page."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        return b64decode(self.command("Page.captureScreenshot")["data"])

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one DevTools command and wait for its result. Raises BrowserError."""
        self._next_id += 1
        wanted = self._next_id
        message: dict[str, Any] = {"id": wanted, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == wanted:
                break
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def _start(self) -> None:
        ours, theirs = os.pipe(), os.pipe()
        reading = fcntl.fcntl(ours[0], fcntl.F_DUPFD, 10)
        writing = fcntl.fcntl(theirs[1], fcntl.F_DUPFD, 10)
        launcher = [sys.executable, "-c", _LAUNCHER, str(reading), str(writing)]
        profile = f"--user-data-dir={self._profile}"
        self._process = subprocess.Popen(
            [*launcher, self._chromium, *FLAGS, profile, "about:blank"],
            pass_fds=(reading, writing),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for descriptor in (reading, writing, ours[0], theirs[1]):
            os.close(descriptor)
        self._write, self._read = ours[1], theirs[0]

    def _until(self, event: str) -> None:
        deadline = time.monotonic() + SECONDS
        while self._receive(deadline).get("method") != event:
            pass

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise BrowserError(f"Chromium said nothing for {SECONDS:.0f} s")
            received = os.read(self._read, 1 << 20)
            if not received:
                raise BrowserError("Chromium has ended")
            self._buffer += received
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._listen(message)
        return message

    def _listen(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Log.entryAdded":
            self.console.append(params["entry"]["text"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.console.append(params["exceptionDetails"]["text"])
