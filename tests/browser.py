"""A real browser in the hand of a test: Chromium without a window, driven over a pipe by the standard library alone.

``started()`` gives a ``Browser``, which is one tab; ``another()`` opens more. Its protocol is JSON ended by NUL, written to the browser's descriptor 3 and read from its 4.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here: Debian's package is called chromium")
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip


class Pipe:
    """The way to the browser, which all of its tabs share."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest = write, read, b""
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.tabs: dict[str, Browser] = {}  # by session

    def post(self, session: str, method: str, parameters: dict[str, Any]) -> int:
        """Ask, without waiting; the number of the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._write, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        return self._number

    def send(self, session: str, method: str, seconds: float, parameters: dict[str, Any]) -> dict[str, Any]:
        number, deadline = self.post(session, method, parameters), time.monotonic() + seconds
        while number not in self._answers:
            assert self.listen(deadline - time.monotonic()), f"no answer to {method} within {seconds} s"
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        found: dict[str, Any] = answer["result"]
        return found

    def listen(self, seconds: float) -> bool:
        """Take what comes; whether anything did."""
        if not select.select([self._read], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(self._read, 1 << 20)
        assert data, "the browser has gone"
        *messages, self._rest = (self._rest + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self.tabs:
                self.tabs[message["sessionId"]].note(message["method"], message["params"])
        return True


class Browser:
    """One tab. Every wait has a bound."""

    def __init__(self, pipe: Pipe, **window: Any) -> None:
        """``window``: as of Target.createTarget, such as newWindow."""
        self._pipe, self._session = pipe, ""
        self.console: list[str] = []  # what the page, or its policy, had to say
        self.asked: list[str] = []  # the address of each request
        self.answered: list[tuple[str, int]] = []  # the address and the status of each answer
        self.received = 0  # bytes, with heads
        self.accepts = False  # whether dialogs are said yes to
        self._target = self.send("Target.createTarget", url="about:blank", **window)["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        pipe.tabs[self._session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    @contextlib.contextmanager
    def another(self, **window: Any) -> Iterator[Browser]:
        """One more tab of the same browser, closed afterwards."""
        tab = Browser(self._pipe, **window)
        try:
            yield tab
        finally:
            tab.close()

    def close(self) -> None:
        del self._pipe.tabs[self._session]
        self._pipe.send("", "Target.closeTarget", 20, {"targetId": self._target})

    def send(self, method: str, seconds: float = 20, **parameters: Any) -> dict[str, Any]:
        """What the browser answers. Raises AssertionError for an error of its."""
        return self._pipe.send(self._session, method, seconds, parameters)

    def note(self, method: str, said: dict[str, Any]) -> None:
        """What the browser tells of itself."""
        if method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(each.get("value", each.get("description"))) for each in said["args"]))
        elif method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.console.append(f"{details['text']} {details.get('exception', {}).get('description', '')}")
        elif method == "Log.entryAdded":
            self.console.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":  # nothing else is answered while it is open
            self.console.append(f"dialog: {said['message']}")
            self._pipe.post(self._session, "Page.handleJavaScriptDialog", {"accept": self.accepts})
        elif method == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])
        elif method == "Network.responseReceived":
            self.answered.append((said["response"]["url"], said["response"]["status"]))
        elif method == "Network.loadingFinished":
            self.received += int(said["encodedDataLength"])

    def forget(self) -> None:
        """What was noted until now."""
        for noted in (self.console, self.asked, self.answered):
            noted.clear()
        self.received = 0

    def go(self, url: str, seconds: float = 20) -> None:
        """Until that page has loaded, and not the one before."""
        self.evaluate("window.__before = true")
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && !window.__before && location.href !== 'about:blank'", seconds)

    def evaluate(self, expression: str) -> Any:
        """A value of the page's, awaited if it is a promise."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 10) -> None:
        """Until an expression of the page's is true."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(AssertionError):  # between two pages there is nowhere to ask
                if self.evaluate(condition):
                    return
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
            self._pipe.listen(0.02)

    def look(self, width: int, height: int = 900, scheme: str = "light", scale: float = 1) -> None:
        """The size of the window, and which colours its user likes."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def key(self, text: str) -> None:
        """Pressed and let go: a letter, or a name such as Enter."""
        named = {"Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}, "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
                 " ": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "}}
        pressed = named.get(text, {"key": text, "text": text})
        self.send("Input.dispatchKeyEvent", type="keyDown", **pressed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **{name: value for name, value in pressed.items() if name != "text"})

    def screenshot(self, *, whole: bool = True) -> bytes:
        """PNG; ``whole``: of all there is, not of what the window shows."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **({"clip": self._all()} if whole else {}))["data"])

    def _all(self) -> dict[str, float]:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """A browser with a profile of its own; both are gone afterwards."""
    assert PROGRAM is not None
    profile = tempfile.mkdtemp(prefix="litequeue-browser-")
    down, up = os.pipe(), os.pipe()
    # Out of the way of 3 and 4, which they are to be in the child.
    theirs = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (down[0], up[1])]
    quiet = [(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)]
    actions = [*quiet, (os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, theirs[1], 4)]
    pid = os.posix_spawn(PROGRAM, [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"], dict(os.environ), file_actions=actions, setsid=True)
    for each in (*theirs, down[0], up[1]):
        os.close(each)
    try:
        yield Browser(Pipe(down[1], up[0]))
    finally:
        for each in (down[1], up[0]):
            os.close(each)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(profile, ignore_errors=True)
