"""Print the built book into one PDF, in the order of its contents: `make pdf` calls this.

Each page is printed by Debian's Chromium, as a reader's own browser would print it, and gets a bookmark.
"""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
MARGIN = {"top": "16mm", "bottom": "18mm", "left": "14mm", "right": "14mm"}
NUMBERED = (
    '<div style="font-size: 8px; width: 100%; text-align: center"><span class="title"></span>, '
    'page <span class="pageNumber"></span></div>'
)


def pages(contents: dict[str, Any]) -> list[str]:
    """The book's pages in order, as `_toc.yml` names them."""
    return [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]


def printed(browser: Any, html: Path, name: str) -> tuple[str, bytes]:
    """Title and PDF of one page."""
    page = browser.new_page()
    page.goto((html / f"{name}.html").as_uri(), wait_until="load")
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = false })")
    title = page.title().partition(" — ")[0]
    data = page.pdf(
        format="A4",
        margin=MARGIN,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=NUMBERED,
    )
    page.close()
    return title, data


def bind(html: Path, out: Path, names: list[str]) -> int:
    """Print pages into one file; return how many sheets it has."""
    whole = PdfWriter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in names:
            title, data = printed(browser, html, name)
            whole.append(PdfReader(io.BytesIO(data)), outline_item=title)
        browser.close()
    whole.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    whole.write(out)
    return len(whole.pages)


def main() -> None:
    """Print the book that `make book` has built."""
    if not (HTML / "index.html").is_file():
        sys.exit("no book yet: run make book first")
    if shutil.which("chromium") is None:
        sys.exit("Chromium prints the book, and it is not installed; allowed: Debian's package chromium")
    out = HTML.parent / "asymdistill.pdf"
    names = pages(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))
    if missing := [name for name in names if not (HTML / f"{name}.html").is_file()]:
        sys.exit(f"the book was built before it had {missing[0]}: run make book again")
    print(f"{out.relative_to(ROOT)}: {bind(HTML, out, names)} sheets")


if __name__ == "__main__":
    main()
