"""The real book, built on the smoke profile: every page, link, picture and number."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import browser
import pytest
import yaml
from command_line import complaints, read, shell
from pypdf import PdfReader

from asymdistill.claims import evaluate
from asymdistill.config.profiles import load_settings
from asymdistill.experiment.student_configs import StudentConfigs
from asymdistill.study.recorded import Recorded

ROOT = Path(__file__).parents[2]
STUDENTS = StudentConfigs(load_settings("smoke")[1], 32, 10).everyone()
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """Anchors, links, pictures and text of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.anchors.add(str(values["id"]))
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag == "img":
            self.pictures.append(values)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a book in ``out`` and the runs that it was made from, both by one command."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "asymdistill.cli", "book", "--profile", "smoke", "--source", str(ROOT)]
    command += ["--runs", str(folder / "runs"), "--out", str(folder / "out")]
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"students: 0 found, {len(STUDENTS)} to train\n")
    assert f"\nstudents: 0 found, {len(STUDENTS)} computed\n" in done.stdout
    assert done.stdout.endswith(f"\nopen {folder / 'out' / 'html' / 'index.html'}\n")
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    assert after == before
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> Path:
    return folder / "out" / "html"


@pytest.fixture(scope="module")
def pages(html: Path) -> dict[str, Page]:
    files = [path for path in html.rglob("*.html") if "_static" not in path.parts]
    return {path.relative_to(html).as_posix(): Page(path) for path in files}


def test_the_same_profile_runs_from_a_shell_and_finds_what_the_book_computed(folder: Path) -> None:
    def content() -> dict[Path, bytes]:
        found = (path for path in (folder / "runs").rglob("*") if path.suffix in (".csv", ".safetensors", ".json"))
        return {path: path.read_bytes() for path in found if path.name != "manifest.json"}

    before = content()
    done = shell(["run", "-p", "smoke", "--out", "runs"], folder)
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    assert read(done.stdout).students == (len(STUDENTS), 0)
    assert {counts.computed for counts in read(done.stdout).kinds.values()} == {0}
    assert "Spectrum of the test embeddings" in done.stdout
    assert content() == before
    run = read(done.stdout).folder
    runs = {path.name for path in (folder / "runs").iterdir()}
    assert {name for name in runs if not name.startswith("smoke-crossed-")} == {"store", run.name}
    assert len(runs) == 1 + 1 + 3  # the study, the store, three pairs crossed
    assert Recorded(folder / run).table("controls") is not None


def written_pages() -> list[str]:
    """Pages that the table of contents names."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def test_every_page_is_there(pages: dict[str, Page]) -> None:
    assert {f"{name}.html" for name in written_pages()} <= set(pages)
    on_disk = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert on_disk <= set(written_pages())


def test_every_page_says_what_made_it(pages: dict[str, Page]) -> None:
    for name in written_pages():
        text = pages[f"{name}.html"].text
        assert re.search(r"profile smoke\b.*commit [0-9a-f]{10}", text), name
        if name.startswith("notebooks/"):
            assert "Profile smoke: 320 training and 200 test images of scenes" in text, name


def test_links_lead_somewhere(html: Path, pages: dict[str, Page]) -> None:
    broken = []
    for name in pages:
        for link in pages[name].links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (html / name).parent / unquote(parts.path) if parts.path else html / name
            relative = target.resolve().relative_to(html.resolve()).as_posix()
            if not target.is_file() or (
                parts.fragment
                and relative in pages
                and unquote(parts.fragment) != ""
                and (unquote(parts.fragment) not in pages[relative].anchors)
            ):
                broken.append(f"{name}: {link}")
    assert not broken


def test_pictures_are_there(html: Path, pages: dict[str, Page]) -> None:
    for name in written_pages():
        for picture in pages[f"{name}.html"].pictures:
            source = str(picture["src"])
            assert source.startswith("data:") or ((html / name).parent / source).is_file(), (name, source)


def test_numbers_stand_where_they_are_quoted(pages: dict[str, Page]) -> None:
    for name in written_pages():
        text = pages[f"{name}.html"].text
        assert "glue:" not in text
        # The API shows what arguments default to, which may be just that.
        assert name.startswith("book/api") or not re.search(r"\bnan\b", text), name
    assert re.search(r"effective rank of the teacher 88\.7 [\d.–]+ \d+\.\d", pages["book/index.html"].text)


def test_every_claim_has_its_row_and_pages_name_verdicts_of_this_run(pages: dict[str, Page]) -> None:
    assert {f"claim-{name}" for name in evaluate.evaluate(None)["id"]} <= pages["notebooks/09_scorecard.html"].anchors
    assert re.search(r"not testable here|contradicted|supported", pages["book/text_and_code.html"].text)


def test_parameters_of_papermill_are_not_shown_twice(pages: dict[str, Page]) -> None:
    assert "# Parameters" not in pages["notebooks/01_collapse.html"].text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if browser.chromium() is None:
        pytest.skip("no chromium: pages are not opened in a browser (Debian: apt-get install chromium)")
    with browser.opened() as opened:
        yield opened


def test_pages_are_light_and_quiet_and_fit_in_a_browser(html: Path, chromium: Any) -> None:
    wrong = []
    for width, mode in ((390, "dark"), (1280, "light")):
        page = chromium.new_page(viewport={"width": width, "height": 844}, color_scheme=mode)
        page.add_init_script(browser.axe())
        visit = browser.Visit(page, html)
        for name in written_pages():
            visit.open(f"{name}.html")
            found = [*visit.complaints, *(f"asked for {address}" for address in visit.foreign)]
            if (wider := page.evaluate(browser.WIDER)) > 0:
                found.append(f"{wider} pixels wider than the window")
            if visit.weight() > browser.LIMIT:
                found.append(f"loads {visit.weight():,} bytes")
            found += visit.serious(mode)  # last, since parts of the page go
            wrong += [f"{name} at {width}, {words}" for words in found]
        page.close()
    assert not wrong, "\n".join(wrong)


def test_a_table_that_is_too_wide_is_set_closer_and_then_scrolls(html: Path, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})

    def frames(name: str) -> list[tuple[list[str], int, int]]:
        """Classes of each frame of a table, pixels that lie outside it, and whether keyboards reach it (0)."""
        page.goto((html / "book" / f"{name}.html").as_uri())
        code = "all => all.map(one => [[...one.classList], one.scrollWidth - one.clientWidth, one.tabIndex])"
        found: list[tuple[list[str], int, int]] = page.locator(".pst-scrollable-table-container").evaluate_all(code)
        return found

    narrow = [*frames("fidelity"), *frames("methods")]
    assert all("close" in words for words, *_ in narrow)
    assert {"scrolls" in words for words, *_ in narrow} == {True, False}
    assert all(("scrolls" in words) == (outside > 1) for words, outside, _ in narrow)
    assert {reached for words, _, reached in narrow if "scrolls" in words} == {0}
    page.set_viewport_size({"width": 1280, "height": 844})
    assert not any({"close", "scrolls"} & {*words} for words, *_ in frames("methods"))


def test_no_table_cuts_its_cells(html: Path) -> None:
    cut = re.compile(r"<t[dh]>[^<]*\.\.\.</t[dh]>")  # as pandas cuts what has over fifty characters
    found = {name: cut.findall((html / f"{name}.html").read_text("utf-8")) for name in written_pages()}
    assert not {name: cells for name, cells in found.items() if cells}


def test_long_names_may_break_after_their_parts(html: Path) -> None:
    text = (html / "book" / "fidelity.html").read_text("utf-8")
    assert ">data/<wbr>test_<wbr>datasets.py::<wbr>test_<wbr>cifar_<wbr>keeps_" in text


def test_numbers_in_tables_do_not_part_from_their_spread(html: Path) -> None:
    cells = re.findall(r"<td>[^<]*</td>", (html / "notebooks" / "06_expansion.html").read_text("utf-8"))
    assert any(re.search(r"\d\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}\d", cell) for cell in cells)
    assert not any(re.search(r"\d (±|to) [\d−]", cell) for cell in cells)


def test_search_finds_words_and_pages_print(html: Path, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(f"{(html / 'search.html').as_uri()}?q=effective+rank")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results").inner_text()
    assert "Do all students collapse" in found
    page.goto((html / "notebooks" / "01_collapse.html").as_uri())
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate(browser.WIDER) <= 0
    assert not page.locator(".bd-sidebar-primary").is_visible()


def test_pages_are_bound_into_one_file_with_figures_and_equations(html: Path, chromium: Any, tmp_path: Path) -> None:
    names = ["book/index", "notebooks/01_collapse"]
    # In a process of its own, since a browser is open in this one.
    code = f"import pathlib, sys, pdf; print(pdf.bind(*map(pathlib.Path, sys.argv[1:]), {names}))"
    words = [sys.executable, "-c", code, str(html), str(tmp_path / "book.pdf")]
    done = subprocess.run(words, cwd=ROOT / "book", capture_output=True, text=True, check=True)
    bound = PdfReader(tmp_path / "book.pdf")
    assert len(bound.pages) == int(done.stdout)
    assert [entry.title for entry in bound.outline] == [
        "Distilling a transformer into a small CNN",
        "Do all students collapse to the same rank?",
    ]
    text = " ".join(page.extract_text() for page in bound.pages)
    assert "The claims of this chapter" in text
    assert sum(len(page.images) for page in bound.pages) >= 5
