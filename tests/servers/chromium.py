"""Pages in headless Chromium: what they ask for, what they complain of, whether they fit, who cannot read them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.servers.process import program

AXE = files("axe_playwright_python") / "axe.min.js"
"""axe-core, as its PyPI wrapper ships it."""


@dataclass
class Opened:
    """A page that is open, and what came of opening it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """What it asked for, itself included."""
    complaints: list[str] = field(default_factory=list)
    """Messages on the console, errors, dialogs."""

    @property
    def overflow(self) -> int:
        """How many pixels wider than its window the page is."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wider


class Chromium:
    """A browser, and a folder of pages behind a web server on loopback."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url

    @contextmanager
    def open(
        self, name: str, *, width: int = 1280, height: int = 800, scheme: Any = "light", bypass: bool = False
    ) -> Iterator[Opened]:
        """A page of the folder; `bypass` lets the test's own scripts past its Content-Security-Policy."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=bypass
        )
        try:
            page = context.new_page()
            opened = Opened(page)

            def said(message: ConsoleMessage) -> None:
                opened.complaints.append(f"{message.type}: {message.text}")

            page.on("request", lambda request: opened.requests.append(request.url))
            page.on("console", said)
            page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
            page.goto(f"{self.url}/{name}")
            yield opened
        finally:
            context.close()


def violations(opened: Opened) -> list[str]:
    """What axe-core has against the page: rule, how often, and the first place."""
    opened.page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = opened.page.evaluate("axe.run()")
    return [f"{one['id']} x {len(one['nodes'])}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; playwright's own download is not needed."""
    path = program("chromium", "/usr/bin/chromium", package="chromium")
    # Its sandbox is not for root. The pages are the project's own, and nothing else is asked for.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=[*arguments, "--disable-dev-shm-usage"])
        yield started
        started.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@contextmanager
def serving(browser: Browser, folder: Path) -> Iterator[Chromium]:
    """Serve a folder on loopback, to look at in `browser`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Chromium(browser, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
