"""A headless Chromium, driven over a pipe with the DevTools protocol; nothing but Python needed."""

import base64
import collections
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ANSWER_SECONDS = 60


def find():
    """The first browser that is installed, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page at a time. Remembers everything that went wrong or over the network on it."""

    def __init__(self, program):
        self._profile = tempfile.mkdtemp(prefix="tidemark-test-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def take_pipes():
            # The protocol's descriptors are 3 and 4; the pipes may have these numbers already.
            taken = os.dup(to_browser), os.dup(from_browser)
            os.dup2(taken[0], 3)
            os.dup2(taken[1], 4)

        self._process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
             f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=take_pipes)
        os.close(to_browser)
        os.close(from_browser)
        self._bytes = b""
        self._answers = {}
        self._events = collections.deque()
        self._next = 0
        self._session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(self, method, **parameters):
        """One command of the protocol and its answer."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        number = self._next
        self._pump(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _pump(self, done, what):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f"the browser does not answer: {what}")
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise RuntimeError(f"the browser ended: {what}")
            *messages, self._bytes = (self._bytes + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]] = message
                else:
                    self._events.append(message)

    def open(self, path, width, height, dark=False):
        """Loads a file of this machine and waits until it has loaded and drawn."""
        self.resize(width, height)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._events.clear()
        self.ask("Page.navigate", url="file://" + os.path.abspath(path))
        loaded = [event["method"] == "Page.loadEventFired" for event in self._events]
        if not any(loaded):
            self._pump(lambda: any(event["method"] == "Page.loadEventFired"
                                   for event in self._events), path)
        self.settle()

    def resize(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)

    def settle(self):
        """Waits for the frame after the next one: what was asked for is drawn then."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script):
        """The value of a JavaScript expression, awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True,
                          awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def key(self, key, text=""):
        """Presses and lets go of one key, as a person does."""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def mouse(self, kind, x, y, **more):
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)
        self.settle()

    def screenshot(self, path, clip=None):
        """Writes a PNG of the page, or of the part `clip` of it, and returns its bytes."""
        part = {"clip": clip} if clip else {}
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png", **part)["data"])
        with open(path, "wb") as file:
            file.write(data)
        return data

    def complaints(self):
        """Errors and warnings of the console, exceptions, log entries since the page was opened."""
        found = []
        for event in self._events:
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                found.append(event["params"])
            elif event["method"] == "Runtime.consoleAPICalled":
                if event["params"]["type"] in ("error", "warning", "assert"):
                    found.append(event["params"])
        return found

    def requests(self):
        """What was fetched since the page was opened."""
        return [event["params"]["request"]["url"] for event in self._events
                if event["method"] == "Network.requestWillBeSent"]
