"""The repository's address, which one setting of the book holds, and all that follows from it."""

import re
from pathlib import Path
from typing import Any

from asymdistill.runtime.errors import InputError

ADDRESS = re.compile(r"https://(github|gitlab)\.com/[\w.-]+/[\w.-]+")
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
IN_NOTEBOOK = re.compile(r'^repository = ".*"$', re.MULTILINE)


def address(config: Path) -> str:
    """The repository's address, empty if it has none.

    Args:
        config: the book's ``_config.yml``.

    Raises:
        InputError: it is no address that links can be made of.
    """
    import yaml

    found = (yaml.safe_load(config.read_text("utf-8")).get("repository") or {}).get("url") or ""
    if found and not ADDRESS.fullmatch(str(found)):
        allowed = "https://github.com/OWNER/NAME, the same on gitlab.com, or nothing"
        raise InputError(f"repository.url in {config.name} is {found!r}; allowed: {allowed}")
    return str(found)


def link(content: dict[str, Any], url: str) -> None:
    """Give every page links to the repository, and notebooks buttons for Binder and Colab, or none of them.

    Where the settings do not say at which address the book is published, GitHub's for its pages is taken.

    Args:
        content: of ``_config.yml``; changed in place.
        url: the repository's address, or nothing. Colab reads only from GitHub.
    """
    content.setdefault("html", {}).update(dict.fromkeys(BUTTONS, bool(url)))
    if not url:
        content.pop("launch_buttons", None)
    elif "//github.com/" not in url:
        content.get("launch_buttons", {}).pop("colab_url", None)
    else:
        owner, name = url.rsplit("/", 2)[1:]
        content["html"].setdefault("baseurl", f"https://{owner.lower()}.github.io/{name}/")


def tell(notebook: Path, url: str) -> None:
    """Write the address into a notebook's source, whose first cell installs the package from there if it is missing."""
    notebook.write_text(IN_NOTEBOOK.sub(f'repository = "{url}"', notebook.read_text("utf-8"), count=1), "utf-8")
