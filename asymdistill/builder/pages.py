"""What Sphinx leaves to do on the built pages: pictures that it forgets, and files that nobody needs."""

import base64
import hashlib
import re
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from asymdistill.runtime.errors import InputError

GLUED_PNG = r'"application/papermill\.record/image/png": "([^"]+)"'
# Draws icons as SVG from a file of 1.5 MB. Without it the theme draws the same icons from a font.
ICON_SCRIPT = re.compile(
    r'\s*<script [^>]*src="[^"]*fontawesome\.js[^"]*"[^>]*></script>|<link [^>]*fontawesome\.js[^>]*>'
)
SEARCH_SCRIPT = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>')
WORD = re.compile(r'<span class="pre">([^<]*)</span>')  # docutils marks each word of code, for nobody here
LONG_NAME = re.compile(r"(<code [^>]*>)([^<>]{20,})(?=</code>)")
CELL = re.compile(r"<td>[^<]*</td>")
SPREAD = re.compile(r"(?<=\d) (±|to) (?=[\d−])")  # of a number, from which it does not part
COLOURS = 128  # of a figure, unless it has too many for that
ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"[^"]*"\}')
WOFF2 = re.compile(r'url\([^)]*\.woff2[^)]*\) format\("woff2"\),')
UNUSED = ("*.map", "fontawesome.js*", "*.woff2")


def finish(pages: Path, stage: Path) -> Path:
    """Finish the pages that Sphinx has built, in place.

    Args:
        pages: the folder with the HTML.
        stage: the sources they were built from, with executed notebooks.

    Returns:
        The folder with the HTML.

    Raises:
        InputError: a page shows a picture that does not exist.
    """
    _add_glued_figures(pages, stage)
    for page in sorted(pages.rglob("*.html")):
        text = page.read_text("utf-8")
        for image in re.findall(r'<img[^>]* src="([^":?#]+)"', text):
            if not (page.parent / image).is_file():
                raise InputError(f"the book does not build: {page.relative_to(pages)} shows {image}, which isn't there")
        if page.name != "search.html":  # which alone needs the index of the whole book
            text = SEARCH_SCRIPT.sub("", text)
        text = text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')  # no list items
        text = WORD.sub(r"\1", ICON_SCRIPT.sub("", text))
        text = CELL.sub(lambda cell: SPREAD.sub("\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", cell[0]), text)
        page.write_text(LONG_NAME.sub(_with_breaks, text), "utf-8")
    for image in (pages / "_images").glob("*.png"):
        _make_smaller(image)
    _keep_used_icons(pages)
    for pattern in UNUSED:
        for unused in (pages / "_static").rglob(pattern):
            if unused.is_file():
                unused.unlink()
    return pages


def _with_breaks(name: re.Match[str]) -> str:
    """A long name in code that may break after its parts, as in a narrow cell."""
    return name[1] + re.sub(r"(::|[/_])(?=\w)", r"\1<wbr>", name[2])


def _add_glued_figures(pages: Path, stage: Path) -> None:
    """Add the figures that pages glue from notebooks.

    MyST-NB refers to a glued figure by the hash of its bytes and relies on the notebook's own page to write the file,
    which happens only if that page shows the very same bytes. Nothing warns otherwise.
    """
    (pages / "_images").mkdir(exist_ok=True)
    for notebook in (stage / "notebooks").glob("*.ipynb"):
        for glued in re.findall(GLUED_PNG, notebook.read_text("utf-8")):
            content = base64.b64decode(glued.replace("\\n", ""))
            (pages / "_images" / f"{hashlib.sha256(content).hexdigest()}.png").write_bytes(content)


def _make_smaller(image: Path) -> None:
    """Store a picture with few colours, if on average no channel changes by as much as one grey level."""
    with Image.open(image) as drawn:
        colours = drawn.convert("RGB")
    few = colours.quantize(COLOURS, dither=Image.Dither.NONE)
    if max(ImageStat.Stat(ImageChops.difference(colours, few.convert("RGB"))).mean) < 1:
        few.save(image, optimize=True)


def _keep_used_icons(pages: Path) -> None:
    """Leave out the icons of the theme's font that no page and no script names: 1,900 rules and most of the font."""
    from fontTools import subset

    style = pages / "_static" / "styles" / "pydata-sphinx-theme.css"
    speaking = [*pages.rglob("*.html"), *(pages / "_static" / "scripts").glob("*theme.js")]
    used = {name for file in speaking for name in re.findall(r"\bfa-[a-z0-9-]+", file.read_text("utf-8"))}
    rules = WOFF2.sub("", style.read_text("utf-8"))
    rules = ICON_RULE.sub(lambda rule: rule[0] if used & set(re.findall(r"fa-[a-z0-9-]+", rule[1])) else "", rules)
    style.write_text(rules, "utf-8")
    icons = {int(code, 16) for code in re.findall(r'"\\([0-9a-f]{2,6}) ?"', rules)}
    for path in (pages / "_static").rglob("fa-*.ttf"):
        with subset.load_font(path, subset.Options()) as font:
            subsetter = subset.Subsetter()
            subsetter.populate(unicodes=icons)
            subsetter.subset(font)
            font.save(path)
