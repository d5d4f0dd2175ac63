"""The command line: ``asymdistill run``, ``sweep``, ``book``, ``claims``, ``record``, ``measure`` and others.

Each command imports what it needs when it runs, so that commands that need no PyTorch start at once.
"""

import io
import json
import logging
import signal
import sys
import threading
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asymdistill.config.profiles import load_settings, parse_assignments, profile_names
from asymdistill.config.settings import Settings
from asymdistill.runtime import environment
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.markup import in_one_line
from asymdistill.runtime.terminal import console, print_table, warning_in_one_line, write_in_any_encoding

if TYPE_CHECKING:
    from asymdistill.study.study import Study

app = typer.Typer(
    help="Executable companion to a paper, in two versions, on distilling vision transformers into small CNNs.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130  # the status that newer versions of typer turn an interrupt into
OUT_OF_MEMORY = (
    "out of memory; asymdistill doctor says what a run needs: lower batch_size, workers, widths, resolution, "
    "teacher_resolution, train_limit or test_limit; what is stored stays"
)

ADDRESS = "Run on Ray: HOST:PORT of a cluster, `auto` for this machine's, `local` to start one."

Folder = partial(typer.Option, file_okay=False)

ProfileOption = Annotated[str, typer.Option("--profile", "-p", help="Name of a profile, or path to a TOML file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override a setting; may be repeated.")
]

FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Recompute results made by other code, library versions or devices.")
]


@app.command()
def run(
    profile: ProfileOption = "embedded",
    assignments: SetOption = None,
    out: Annotated[Path, Folder(help="Folder in which the run's own folder is created.")] = Path("runs"),
    fresh: FreshOption = False,
) -> None:
    """Train the students, measure everything and write the tables; stored results are reused."""
    study = _open(profile, parse_assignments(assignments or []), out, fresh=fresh)
    from asymdistill.plots.tables import summary
    from asymdistill.runtime.progress import duration

    tables = study.compute()
    for title, table in summary(tables).items():
        print_table(title, map(str, table.columns), table.astype(str).to_numpy().tolist())
    record = study.manifest()
    seconds = duration(sum(record["seconds"].values()))
    print(f"{record['device']}, commit {record['commit']}, {seconds} of computing")
    _print_counts(study)
    print(f"tables and manifest: {study.folder}")


@app.command()
def sweep(
    spec: Annotated[Path, typer.Argument(help="TOML file with profiles, quantities, and tables set, cross and zip.")],
    out: Annotated[Path, Folder(help="Folder in which the sweep's own folder is created.")] = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is, found and missing, and stop.")] = False,
    address: Annotated[
        str | None,
        typer.Option(help=ADDRESS),
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(help="Part of a GPU that a student takes: 0.25 trains four at once on each.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, max=100, help="Further attempts at a task that fails.")] = 2,
    fresh: FreshOption = False,
) -> None:
    """Vary settings: train and measure every student that is not stored yet, and write one tidy table.

    Settings in the table "cross" are lists of values, each tried with each; lists in "zip" go together; what is in
    "set" holds for all. A setting that is a list itself, such as widths, is varied by its elements. The results have a
    row per student and quantity, and a column for everything that is varied.

    Tasks that fail are tried again, then listed on standard error, and the exit status is 1; the others go on. The same
    command again computes what is still missing.
    """
    from asymdistill.sweep.spec import load

    plan = load(spec)
    environment.prepare()
    from asymdistill.sweep.run import Sweep, pool_for

    pool = pool_for(plan, address, gpus)
    try:
        own = Sweep(plan, out, pool, retries=retries, fresh=fresh)
        for kind, (every, missing) in own.needs.counts().items():
            print(f"{kind}: {every} in all, {every - missing} found, {missing} missing", flush=True)
        if dry_run:
            return
        own.run()
    finally:
        pool.close()
    for kind, made in own.made.items():
        print(f"{kind}: {made} computed")
    for words in own.differences():
        print(f"{words}: --fresh computes them again")
    print(f"table and manifest: {own.folder}")
    for words, error in own.needs.failed.items():
        print(f"asymdistill: failed: {in_one_line(words)}: {error}", file=sys.stderr)
    if own.needs.failed:
        raise typer.Exit(1)


@app.command()
def book(
    profile: ProfileOption = "embedded",
    assignments: SetOption = None,
    source: Annotated[Path, Folder(help="The checkout with the book's sources.")] = Path(),
    runs: Annotated[Path, Folder(help="Folder of the runs, read and written by the notebooks.")] = Path("runs"),
    out: Annotated[Path, Folder(help="Folder for the built pages.")] = Path("_build"),
    fresh: FreshOption = False,
) -> None:
    """Run every notebook on a profile and build the book."""
    from asymdistill.builder.build import build, check  # need the extra "book", which the other commands do without
    from asymdistill.claims.evaluate import evaluate
    from asymdistill.claims.summary import verdicts

    logging.basicConfig(format="%(message)s")
    logging.getLogger("asymdistill").setLevel(logging.INFO)  # libraries have much to say of fonts and cells
    overrides = parse_assignments(assignments or [])
    check(source)
    study = _open(profile, overrides, runs, fresh=fresh)
    study.compute()
    _print_counts(study)
    pages = build(
        profile,
        overrides=overrides,
        runs_dir=runs,
        source=source,
        out=out,
        tables=study.folder / "tables",
        provenance=study.provenance(),
        studies=study.made_from(),
        verdicts=verdicts(evaluate(study)),
    )
    print(f"open {pages / 'index.html'}")


@app.command()
def claims(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/embedded-0123456789.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per claim.")] = False,
    with_power: Annotated[
        bool, typer.Option("--power", help="Simulate instead how often each claim is decided at 3 and at 10 seeds.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Judge this claim alone; may be repeated.")
    ] = None,
) -> None:
    """Judge every claim of the papers by the stored tables of a run; nothing is computed."""
    from asymdistill.claims.evaluate import evaluate
    from asymdistill.claims.power import power
    from asymdistill.claims.summary import claimed, power_table, summarise, to_json, values
    from asymdistill.study.recorded import Recorded

    results = Recorded(run)
    ledger = evaluate(results, only=only)
    if as_json:
        print(to_json(ledger, power(results, only=only)))  # in ASCII, which every encoding of a log has
        return
    if with_power:
        table = power_table(ledger, power(results, only=only))
        print_table(f"Power in percent, spreads of {run}", table, table.to_numpy().tolist())
        return
    rows = [
        [claim["id"], claim["verdict"], *values(claim), claimed(claim), claim["evidence"], claim["reason"]]
        for claim in ledger.to_dict("records")
    ]
    columns = ["claim", "verdict", "paper", "measured", "claimed", "evidence", "reason"]
    print_table(str(run), columns, rows)
    console().print(summarise(ledger)["scorecard_summary"], highlight=False)


@app.command()
def record(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run or sweep, such as runs/embedded-0123456789.")],
    out: Annotated[Path, Folder(help="Folder of the recorded runs that the book shows.")] = Path("results"),
) -> None:
    """Record a finished run for the book: copy its manifest and tables, and nothing else, to the recorded runs."""
    from asymdistill.study import recorded
    from asymdistill.sweep import table

    kept = table.record(run, out) if table.is_sweep(run) else recorded.record(run, out)
    print(f"manifest and tables: {kept}")


@app.command()
def measure(
    files: Annotated[list[Path], typer.Argument(help=".npy, .npz, .safetensors, .parquet, .csv, or folders of them.")],
    against: Annotated[
        Path | None, typer.Option(help="A second set (file or folder) of the same dimension, to measure alignment to.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The array, tensor or column of lists to read, where files have several.")
    ] = None,
    blocks: Annotated[int, typer.Option(help="Blocks of the jackknife; its memory is 8 d² bytes each.")] = 20,
    address: Annotated[
        str | None, typer.Option(help=f"{ADDRESS} Every machine needs the files under the same path.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the spectrum into this .svg file.")] = None,
) -> None:
    """Measure any embeddings: effective rank, dimensions, anisotropy, uniformity, alignment to a second set.

    The rows of all files are taken together, N x d, and read once, in memory that does not grow with N. They are
    float16, bfloat16, float32 or float64. Integers are refused, as identifiers or codes; in CSV all numbers count as
    floating point. In Parquet, embeddings are a column of lists, or all floating point columns together.

    Accuracy: rows are converted to float64 before anything is added, the mean is subtracted before products are formed,
    and parts merge without loss. Against a float64 singular value decomposition, the variance rank, the participation
    ratio and the dimensions are good to 1e-11, relative. The amplitude rank is good to 1e-9 while no singular value is
    below 1e-6 of the largest; those below 1e-7 count as zero, and where there are such it is good to 1e-4.

    With --address, the cores of all machines share the reading, and the numbers stay the same. Only the cosine with
    the same row of a second set is computed on this machine, by one core, which reads both sets once more.

    An effective rank grows with N until N is many times the rank: compare at equal N. The intervals say how it scatters
    at this N, not how far it is from its limit.
    """
    from asymdistill.measure.report import TITLES
    from asymdistill.measure.report import measure as report_on

    if plot is not None and (plot.suffix != ".svg" or not plot.absolute().parent.is_dir()):
        raise InputError(f"plot is {plot}; it must end in .svg and lie in a folder that exists")
    report = report_on(files, [against] if against else [], name=name, blocks=blocks, address=address)
    if plot is not None:
        from asymdistill.plots import measured
        from asymdistill.store.files import write_file

        drawn = io.BytesIO()
        measured.spectrum(report.variances, report["effective_rank"]).savefig(drawn, format="svg")
        write_file(plot, drawn.getvalue())
    if as_json:
        print(json.dumps(report.to_dict(), indent=2))
        return
    rows = [
        [TITLES[own.name], f"{own.value:.5g}", "" if own.low is None else f"{own.low:.5g} to {own.high:.5g}"]
        for own in report.quantities
    ]
    print_table("Embeddings", ["quantity", "value", "95 % interval"], rows)
    print("\n".join(report.notes()))


@app.command()
def doctor(profile: ProfileOption = "embedded", assignments: SetOption = None) -> None:
    """List what a run needs and whether it is here; exit with status 1 if anything is missing."""
    from asymdistill.study.doctor import examine

    name, settings = load_settings(profile, parse_assignments(assignments or []))
    needs = examine(settings)
    rows = [[need.name, need.status, need.words] for need in needs]
    print_table(f"Profile {name}", ["what", "status", "found"], rows)
    if any(need.status == "missing" for need in needs):
        raise typer.Exit(1)


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(help="Show every setting of this profile or TOML file.")] = None,
) -> None:
    """List the profiles, or the settings of one."""
    if name is None:
        rows = [[known, load_settings(known)[1].description] for known in profile_names()]
        print_table("Profiles", ["name", "description"], rows)
        return
    settings = load_settings(name)[1]
    rows = [[key, str(getattr(settings, key)), field.description or ""] for key, field in Settings.model_fields.items()]
    print_table(name, ["setting", "value", "meaning"], rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad input gives one line on standard error and status 2, never a traceback.

    Args:
        arguments: words of the command line; None: those of this process.

    Returns:
        The exit status: 0, 2 for bad input, 130 when interrupted.
    """
    write_in_any_encoding()
    warnings.formatwarning = warning_in_one_line
    _end_like_an_interrupt(signal.SIGTERM)
    try:
        _refuse_empty_words(sys.argv[1:] if arguments is None else arguments)
        status = app(arguments, standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except (InputError, OSError) as error:
        message = str(error)
    except MemoryError:
        message = OUT_OF_MEMORY
    except (KeyboardInterrupt, typer.Abort):
        print("asymdistill: interrupted; run the same command again to continue from what is stored", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        # Usage errors: typer's own in newer versions, click's in older ones, told by the method they share.
        if not hasattr(error, "format_message"):
            if not _is_out_of_memory(error):
                raise
            message = OUT_OF_MEMORY
        else:
            message = error.format_message() or str(error)
    else:
        return int(status or 0)
    print(f"asymdistill: error: {in_one_line(message)}", file=sys.stderr)
    return 2


def _open(profile: str, overrides: dict[str, Any], runs: Path, *, fresh: bool) -> "Study":
    """Open a study and say how much of it is there."""
    name, settings = load_settings(profile, overrides)  # wrong ones are refused before PyTorch is imported, for seconds
    environment.prepare()
    from asymdistill.study.study import Study

    study = Study(name, settings, runs, fresh=fresh)
    study.check()
    if note := study.images_note():
        print(f"images: {note}")
    found, missing = study.count_students()
    print(f"students: {found} found, {missing} to train", flush=True)
    return study


def _print_counts(study: "Study") -> None:
    """Say how many stored results were found and how many computed, and where those found were made otherwise."""
    for kind, (found, made, differences) in study.counts().items():
        other = f"; of those found, {', '.join(differences)}: --fresh computes them again" if differences else ""
        print(f"{kind}: {found} found, {made} computed{other}")


def _refuse_empty_words(words: list[str]) -> None:
    """Refuse what a shell makes of a variable that is not set: an empty path would be the working folder."""
    for before, word in pairwise(["", *words]):
        option, given, value = word.partition("=")
        if not word or (option.startswith("--") and given and not value):
            where = (option or before) if (option or before).startswith("-") else "an argument"
            raise InputError(f"{where} is empty; allowed: a value, or nothing at all (is a shell's variable not set?)")


def _end_like_an_interrupt(number: signal.Signals) -> None:
    """Let a signal, such as a scheduler's, end the process as Ctrl-C does, unless somebody handles it already."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL:
        signal.signal(number, signal.default_int_handler)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch says so of a GPU with a class of its own, of a CPU only in words.
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


if __name__ == "__main__":
    sys.exit(main())
