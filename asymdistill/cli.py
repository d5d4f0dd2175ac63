"""The command line: ``asymdistill run``, ``book``, ``claims``, ``record``, ``doctor`` and ``profiles``."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from asymdistill.claims.evaluate import evaluate
from asymdistill.config.profiles import load_settings, parse_assignments, profile_names
from asymdistill.config.settings import Settings
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.progress import duration
from asymdistill.study.doctor import examine
from asymdistill.study.recorded import Recorded
from asymdistill.study.recorded import record as keep
from asymdistill.study.study import Study

app = typer.Typer(
    help="Executable companion to two papers on distilling vision transformers into small CNNs.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130  # the status that newer versions of typer turn an interrupt into

ProfileOption = Annotated[str, typer.Option("--profile", "-p", help="A profile's name, or a path to a TOML file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override a setting; may be repeated.")
]


@app.command()
def run(
    profile: ProfileOption = "embedded",
    assignments: SetOption = None,
    out: Annotated[Path, typer.Option(help="Folder in which the run's own folder is made.")] = Path("runs"),
) -> None:
    """Train the students, measure everything, and store the tables; what is stored already is read."""
    from asymdistill.plots.tables import summary

    study = Study.open(profile, parse_assignments(assignments or []), out)
    tables = study.compute()
    console = Console(markup=False, emoji=False)
    for title, table in summary(tables).items():
        console.print(_rich_table(title, [str(name) for name in table.columns], table.astype(str).to_numpy().tolist()))
    record = study.experiment.manifest()
    seconds = duration(sum(record["seconds"].values()))
    console.print(f"{record['device']}, commit {record['commit']}, {seconds} of computing", highlight=False)
    print(f"tables, students and manifest: {study.folder}")


@app.command()
def book(
    profile: ProfileOption = "embedded",
    assignments: SetOption = None,
    source: Annotated[Path, typer.Option(help="The checkout with the book's sources.")] = Path(),
    runs: Annotated[Path, typer.Option(help="Folder of the runs that the notebooks read and fill.")] = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder for the built pages.")] = Path("_build"),
) -> None:
    """Run every notebook on a profile and build the book."""
    from asymdistill.builder.build import build, check  # need the extra "book", which the other commands do without
    from asymdistill.builder.scorecard import verdicts

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    overrides = parse_assignments(assignments or [])
    study = Study.open(profile, overrides, runs)
    check(source)
    study.compute()
    pages = build(
        profile,
        overrides=overrides,
        runs_dir=runs,
        source=source,
        out=out,
        provenance=study.provenance(),
        verdicts=verdicts(evaluate(study)),
    )
    print(f"open {pages / 'index.html'}")


@app.command()
def claims(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/embedded-0123456789.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object a claim.")] = False,
) -> None:
    """Judge every claim of the papers on what a run has stored, without computing anything."""
    from asymdistill.builder.scorecard import summary, values  # draws figures too, which takes a second to import

    ledger = evaluate(Recorded(run))
    if as_json:
        print(ledger.to_json(orient="records", indent=2, force_ascii=False))
        return
    rows = [
        [claim["id"], claim["verdict"], *values(claim), claim["evidence"], claim["reason"]]
        for claim in ledger.to_dict("records")
    ]
    console = Console(markup=False, emoji=False)
    console.print(_rich_table(str(run), ["claim", "verdict", "paper", "measured", "evidence", "reason"], rows))
    console.print(summary(ledger)["scorecard_summary"], highlight=False)


@app.command()
def record(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, such as runs/embedded-0123456789.")],
    out: Annotated[Path, typer.Option(help="Folder of the recorded runs, which the book shows.")] = Path("results"),
) -> None:
    """Keep a finished run for the book: copy its manifest and tables, and nothing else, to where recorded runs lie."""
    print(f"manifest and tables: {keep(run, out)}")


@app.command()
def doctor(profile: ProfileOption = "embedded", assignments: SetOption = None) -> None:
    """Say what a run needs, what of it is missing here, and how long it will take: status 1 if anything is missing."""
    name, settings = load_settings(profile, parse_assignments(assignments or []))
    findings = examine(name, settings)
    rows = [[finding.name, finding.status, finding.words] for finding in findings]
    Console(markup=False, emoji=False).print(_rich_table(f"Profile {name}", ["what", "status", "found"], rows))
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(help="Show every setting of this profile or TOML file.")] = None,
) -> None:
    """List the profiles, or the settings of one."""
    console = Console(markup=False, emoji=False)
    if name is None:
        rows = [[known, load_settings(known)[1].description] for known in profile_names()]
        console.print(_rich_table("Profiles", ["name", "for"], rows))
        return
    settings = load_settings(name)[1]
    rows = [[key, str(getattr(settings, key)), field.description or ""] for key, field in Settings.model_fields.items()]
    console.print(_rich_table(name, ["setting", "value", "meaning"], rows))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad input is one line on standard error and status 2, never a traceback.

    Args:
        arguments: words of the command line; None: those of this process.

    Returns:
        The exit status: 0, 2 for bad input, 130 when interrupted.
    """
    try:
        status = app(arguments, standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except (InputError, OSError) as error:
        message = str(error)
    except (KeyboardInterrupt, typer.Abort):
        print("asymdistill: interrupted; the same command goes on from what is stored", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        # Usage errors: typer's own in newer versions, click's in older ones, told by the method they share.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message() or str(error)
    else:
        return int(status or 0)
    print(f"asymdistill: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _rich_table(title: str, header: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(main())
