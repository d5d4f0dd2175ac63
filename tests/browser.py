"""Opens pages of a built book in Debian's Chromium and says what is wrong with each."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LIMIT = 1.5e6  # bytes that one page may load
SERIOUS = ("serious", "critical")
AXE = "async options => (await axe.run(document, {resultTypes: ['violations'], preload: false, ...options})).violations"
ALL_BUT_CONTRAST: Any = {"rules": {"color-contrast": {"enabled": False}}}
CONTRAST: Any = {"runOnly": ["color-contrast"]}
# Of the hundreds of entries in the API, all laid out by one template, every eighth: the time that axe takes to find
# what lies behind each text grows with the square of the page.
EVERY_EIGHTH_ENTRY = "() => document.querySelectorAll('dl.py').forEach((entry, n) => n % 8 && entry.remove())"
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
THEME = "mode => { document.documentElement.dataset.theme = mode; document.documentElement.dataset.mode = mode }"


def chromium() -> str | None:
    """Where Debian's Chromium is, if it is installed."""
    return shutil.which("chromium")


@cache
def axe() -> str:
    """The script of axe-core."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


@contextmanager
def opened() -> Iterator[Any]:
    """A browser, while it is needed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """What happened while one page was open.

    Attributes:
        page: of Playwright.
        complaints: messages of the console and errors of scripts.
        foreign: addresses outside the book that were asked for.
        loaded: files of the book that the page loaded.
    """

    def __init__(self, page: Any, html: Path) -> None:
        self.page, self.html = page, html.resolve()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.loaded: set[Path] = set()
        page.set_default_timeout(180_000)  # where other work holds the cores
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def open(self, name: str) -> None:
        """Open a page of the book, forgetting what the one before did."""
        self.complaints, self.foreign, self.loaded = [], [], set()
        self.page.goto((self.html / name).as_uri(), wait_until="load")

    def weight(self) -> int:
        """Bytes of all files that the page has loaded."""
        return sum(path.stat().st_size for path in self.loaded if path.is_file())

    def serious(self, mode: str) -> list[str]:
        """Serious and critical violations that axe-core finds in light or dark mode: rule and first element.

        Every rule is checked on the whole page, but contrast on a sample of the API's entries: the page loses the rest.
        """
        self.page.evaluate(THEME, mode)
        self.page.add_style_tag(content="* { transition: none !important }")  # a colour on its way is no colour
        found = self.page.evaluate(AXE, ALL_BUT_CONTRAST)
        self.page.evaluate(EVERY_EIGHTH_ENTRY)
        found += self.page.evaluate(AXE, CONTRAST)
        return [f"{mode}: {one['id']} {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS]

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme == "file":
            self.loaded.add(Path(parts.path))
        elif parts.scheme not in ("data", "blob"):
            self.foreign.append(request.url)
