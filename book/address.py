"""Tell every notebook the repository's address: `make notebooks` calls this."""

from pathlib import Path

from asymdistill.builder import repository

ROOT = Path(__file__).parent.parent

if __name__ == "__main__":
    for notebook in (ROOT / "notebooks").glob("*.py"):
        repository.tell(notebook, repository.address(ROOT / "_config.yml"))
