"""Names that settings, files and recorded runs bring along are text on every page, whatever they hold."""

from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
import yaml
from markdown_it import MarkdownIt

from asymdistill.builder import build
from asymdistill.config.settings import Settings
from asymdistill.data.datasets import ImageSet
from asymdistill.plots import collapse, scorecard
from asymdistill.study.study import Study

HOSTILE = (
    "<script>alert(1)</script>",
    "`<img src=x onerror=alert(1)>`",
    "![x](javascript:alert(1))",
    "$$",
    "5$ to 10$",
)


class Elements(HTMLParser):
    """The names of a page's elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(markdown: str) -> Elements:
    return Elements(MarkdownIt("commonmark", {"html": True}).render(markdown))


ALLOWED = {"p", "strong", "em", "code", "pre"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_description_of_a_run_and_its_overrides_are_text(name: str, tmp_path: Path) -> None:
    settings = Settings(description=name, dataset=name, teacher=name, other_datasets=(name,))
    build._write_generated(tmp_path / "made", name, settings, {"dataset": name, "other_datasets": [name]})
    run = rendered((tmp_path / "made" / "run.md").read_text("utf-8"))
    assert run.names <= ALLOWED
    assert run.text.count(name.replace("`", "'")) >= 2
    assert name in run.text
    assert rendered((tmp_path / "made" / "settings.md").read_text("utf-8")).names <= ALLOWED


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_study_says_of_itself_is_text(name: str, small_study: Study, tmp_path: Path) -> None:
    study = Study(name.replace("/", "|"), small_study.settings, tmp_path)
    shown = rendered(study.description())
    assert shown.names <= ALLOWED
    assert name.replace("/", "|").replace("`", "'") in shown.text


@pytest.mark.parametrize("name", HOSTILE)
def test_the_foot_of_a_page_and_its_tables_are_text(name: str, tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_text("title: x\n")
    build._configure(tmp_path / "_config.yml", {"profile": name, "run": name})
    foot = Elements(yaml.safe_load((tmp_path / "_config.yml").read_text("utf-8"))["html"]["extra_footer"])
    assert foot.names == {"p"}
    assert name in foot.text
    table = Elements(scorecard.in_words(pd.DataFrame({name: [name], "run": [name]})))
    assert not table.names & {"script", "img", "a"}
    assert table.text.count(name) == 3


@pytest.mark.parametrize("name", [*HOSTILE, "a_b", "<i>", "\\", "x" * 3000, "名前"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_class_names_are_drawn_as_they_are(name: str) -> None:
    """Case 18: a ParseException in chapter 1."""
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    figure = collapse.gallery(ImageSet(images, torch.tensor([0, 1, 0, 1]), (name, "other")), each=2)
    figure.canvas.draw()
    drawn = figure.axes[0].get_title().replace("\\$", "$")
    assert drawn == name or (drawn[-1] == "…" and name.startswith(drawn[:-1]) and len(drawn) <= 24)
    plt.close(figure)
