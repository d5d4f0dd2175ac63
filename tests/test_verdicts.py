"""Verdicts in prose: shown by a role that knows the run, checked by the build, and refused where typed by hand."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest

from asymdistill.builder import build, prose
from asymdistill.runtime.errors import InputError

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("papermill")
pytest.importorskip("jupyter_book")
application = pytest.importorskip("sphinx.application")
docutils = pytest.importorskip("sphinx.util.docutils")

ROOT = Path(__file__).parent.parent
LEDGER = {
    "v1-inversion-0.1": {"verdict": "contradicted", "reason": 'The interval holds "0" & more.'},
    "v1-rank-s": {"verdict": "supported", "reason": "Within the margin."},
}
SCORECARD = {"notebooks/09_scorecard.md": "# Scorecard\n"}


def notebook(text: str) -> str:
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])))


def built(folder: Path, pages: dict[str, str], ledger: object = LEDGER) -> tuple[dict[str, str], str]:
    """Build pages with Sphinx and the role alone; return their HTML and the warnings."""
    source, out = folder / "source", folder / "out"
    toc = "".join(f"{name.rsplit('.', 1)[0]}\n" for name in pages)
    contents = {"index.md": f"# Front\n\n```{{toctree}}\n{toc}```\n", **pages}
    if ledger is not None:
        contents["book/_generated/verdicts.json"] = json.dumps(ledger)
    for name, text in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, "utf-8")
    warnings = io.StringIO()
    settings = {"extensions": ["myst_nb", "verdicts"], "nb_execution_mode": "off", "html_theme": "basic"}
    with docutils.patch_docutils(), docutils.docutils_namespace():
        places = (source, None, out, folder / "doctrees")
        application.Sphinx(*places, "html", settings, status=None, warning=warnings).build()
    html = {name: (out / name).with_suffix(".html").read_text("utf-8") for name in pages}
    return html, re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())


@pytest.fixture(autouse=True)
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))


def test_the_role_shows_this_runs_verdict_with_its_reason_and_leads_to_the_scorecard(tmp_path: Path) -> None:
    text = "# Page\n\nThe inversion is {verdict}`v1-inversion-0.1` and the rank {verdict}`v1-rank-s = supported`.\n"
    html, warnings = built(tmp_path, {**SCORECARD, "book/page.md": text, "notebooks/one.ipynb": notebook(text)})
    assert warnings == ""
    for page, link in (
        ("book/page.md", "../notebooks/09_scorecard.html"),
        ("notebooks/one.ipynb", "09_scorecard.html"),
    ):
        found = re.findall(
            r'<a class="verdict[^"]*" href="([^"]*)"><abbr title="([^"]*)">([^<]*)</abbr></a>', html[page]
        )
        assert found == [
            (f"{link}#claim-v1-inversion-0.1", "The interval holds &quot;0&quot; &amp; more.", "contradicted"),
            (f"{link}#claim-v1-rank-s", "Within the margin.", "supported"),
        ]


@pytest.mark.parametrize("name", ["book/page.md", "notebooks/one.ipynb"])
@pytest.mark.parametrize(
    ("role", "warning"),
    [
        (
            "v1-inversion-0.1 = supported",
            "claim 'v1-inversion-0.1' is 'contradicted' in this run, and the prose says 'supported'",
        ),
        ("v1-inversion-1", "the ledger has no claim 'v1-inversion-1'; allowed: v1-inversion-0.1"),
        ("nonsense = supported", "the ledger has no claim 'nonsense'; allowed: one of 2"),
    ],
)
def test_a_wrong_verdict_and_an_unknown_claim_are_warned_of(name: str, role: str, warning: str, tmp_path: Path) -> None:
    text = f"# Page\n\nIt is {{verdict}}`{role}`.\n"
    _, warnings = built(tmp_path, {name: text if name.endswith(".md") else notebook(text)})
    assert len(warnings.splitlines()) == 1
    assert re.search(rf"{name}:\d+: WARNING: {re.escape(warning)}", warnings)


def test_without_a_run_no_verdict_is_known(tmp_path: Path) -> None:
    _, warnings = built(tmp_path, {"book/page.md": "# Page\n\nIt is {verdict}`v1-rank-s`.\n"}, ledger=None)
    assert "the ledger has no claim 'v1-rank-s'; allowed: one of 0" in warnings


PAGE = "# Page\n\nThe words:\n\n{}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize("page", ["book/page.md", "book/parts/page.md", "notebooks/one.ipynb"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("The collapse was supported.", "supported"),
        ("A claim is **Contradicted** by us.", "contradicted"),
        ("| claim | verdict |\n| - | - |\n| `a` | not testable\there |", "not testable here"),
        (":::{note}\nIt is [supported](x.md).\n:::", "supported"),
        ("```{admonition} Result\nIt is undecided.\n```", "undecided"),
        ("<p>supported</p>", "supported"),
        ("- {verdict}`a = supported`, so the rest is supported too", "supported"),
    ],
)
def test_prose_that_names_a_verdict_by_itself_is_refused(page: str, words: str, said: str, source: Path) -> None:
    text = PAGE.format(words)
    (source / page).parent.mkdir(exist_ok=True)
    (source / page).write_text(notebook(text) if page.endswith("ipynb") else text, "utf-8")
    with pytest.raises(InputError, match=rf"^{Path(page).name} states a verdict in '.*`claim = {said}`") as refused:
        prose.check(source)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        "It is {verdict}`a = contradicted`, which `supported` and ``not testable here`` would not be.",
        "```python\nprint('supported')\n```\n\n    contradicted\n",
        "```{code-block} toml\nverdict = 'supported'\n```",
        "Anyone can reproduce this: it is reproducible, and a reproduction is testable here.",
        "See [the code](https://example.org/supported).",
    ],
)
def test_words_in_code_and_other_words_are_free(words: str, source: Path) -> None:
    (source / "book" / "page.md").write_text(PAGE.format(words), "utf-8")
    code = nbformat.v4.new_code_cell(
        "print('contradicted')", outputs=[nbformat.v4.new_output("stream", text="supported")]
    )
    cells = [nbformat.v4.new_markdown_cell(PAGE.format(words)), code]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "notebooks" / "one.ipynb")
    prose.check(source)


def test_the_books_own_prose_names_no_verdict_by_itself() -> None:
    prose.check(ROOT)


CONFIG = """
title: A small book
only_build_toc_files: true
execute: {execute_notebooks: "off"}
sphinx: {local_extensions: {verdicts: book/_ext}}
"""


def test_a_book_is_refused_before_anything_runs_and_when_the_ledger_says_otherwise(source: Path) -> None:
    (source / "_config.yml").write_text(CONFIG, "utf-8")
    (source / "_toc.yml").write_text("{format: jb-book, root: book/index}", "utf-8")
    shutil.copytree(ROOT / "book" / "_ext", source / "book" / "_ext")
    page = source / "book" / "index.md"

    def book() -> Path:
        folders = {"runs_dir": source / "runs", "source": source, "out": source / "out"}
        return build.build("smoke", provenance={}, studies={}, tables=source / "tables", verdicts=LEDGER, **folders)

    page.write_text("# Front\n\nThe rank is {verdict}`v1-rank-s = supported`.\n", "utf-8")
    assert "Within the margin." in (book() / "book" / "index.html").read_text("utf-8")
    page.write_text("# Front\n\nThe rank is {verdict}`v1-rank-s = contradicted`.\n", "utf-8")
    with pytest.raises(InputError, match=r"does not build: book/index\.md:3: .*'v1-rank-s' is 'supported' in this run"):
        book()
    page.write_text("# Front\n\nThe rank is supported.\n", "utf-8")
    with pytest.raises(InputError, match=r"^index\.md states a verdict"):
        build.check(source)


TEXT_AND_CODE = ROOT / "book" / "text_and_code.md"
GLUED = re.compile(r"\{glue:text\}`\.\./notebooks/09_scorecard\.ipynb::(\w+):s`")
TYPED = (  # all that may stand there in digits: names, row numbers, noise levels, widths, the size of an image
    *(r"CLIP ViT-B/32", r"^\| \d \|", r"^\d\. ", r"σ = 0\.[12]\b", r"Widths 1, 2 and 4\b", r"Widths 0\.5, 3 and 10\b"),
    r"224 × 224",
)


def test_no_number_on_the_page_of_text_and_code_is_typed() -> None:
    page = TEXT_AND_CODE.read_text("utf-8")
    rest = re.sub(r"`[^`]*`|\]\([^)]*\)", "", GLUED.sub("", page))
    for allowed in TYPED:
        assert re.search(allowed, rest, re.M), f"{allowed} need not be allowed"
        rest = re.sub(allowed, "", rest, flags=re.M)
    assert not re.findall(
        r"\d+|\b(?:three|four|five|six|seven|eight|nine|ten|\w*hundred\w*|\w*thousand\w*|million)\b", rest
    )


def test_the_page_of_text_and_code_has_every_computed_number() -> None:
    assert set(GLUED.findall(TEXT_AND_CODE.read_text("utf-8"))) == set(prose.text_and_code())


def test_the_numbers_of_text_and_code_are_the_known_ones() -> None:
    found = prose.text_and_code()
    assert all(type(value) is str for value in found.values())
    known = {
        "teacher_text": "500M",
        "teacher_whole": "151.3M",
        "teacher_image": "87.8M",
        "students_text": "0.5M, 2.0M and 8.0M",
        "students_code": "811,264, 1,405,440 and 2,732,032",
        "students_stated": "531,456, 2,045,696 and 7,817,728",
        "factor_text": "16",
        "factor_code": "3.4",
        "share_figure": "0.87",
        "components_figure": "28",
        "augmented_low": "49.49",
        "plain_low": "43.76 ± 6.10",
        "augmented_high": "14.04",
        "plain_high": "14.05",
        "welch_p": "0.11",
        "means_span": "9",
        "sigma_pixel": "0.027",
    }
    assert known.items() <= found.items()
    assert found["welch"].startswith("t = 2.19 ")
