"""Measure everything, or some of it, and print and store the figures: ``python -m benchmarks``."""

import argparse
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asymdistill.runtime import devices
from asymdistill.store import files, manifest
from benchmarks import book, ceiling, grid, metrics, networks, precision, report
from benchmarks import records as cost
from benchmarks.measuring import Record

FOLDER = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", default="cuda" if devices.resolve_device("auto").type == "cuda" else "cpu")
    parser.add_argument("--out", type=Path, help="default: benchmarks/cpu.json or benchmarks/cuda.json")
    parser.add_argument("sections", nargs="*", choices=[*sections("cpu", {}), []], help="default: all")
    chosen = parser.parse_args(arguments)
    out = chosen.out or FOLDER / f"{chosen.device}.json"
    found: Record = files.read_json(out) or {}
    rates = ceiling.measure(chosen.device)
    for name, measure in sections(chosen.device, rates).items():
        if chosen.sections and name not in chosen.sections:
            continue
        records = []
        for record in measure():
            records.append(record)
            print(f"{name}: {_line(record)}", flush=True)
        # After each section, because all of them take the better part of an hour.
        found[name] = {**_made(chosen.device), "ceiling": rates, "records": records}
        files.write_json(out, found)
    show(cost.load(out))
    return 0


def sections(device: str, rates: Record) -> dict[str, Callable[[], Iterable[Record]]]:
    """What is measured, in order; each gives its records as they come."""
    return {
        "grid": lambda: grid.measure(device),
        "training": lambda: networks.measure_training(device, rates),
        "teachers": lambda: networks.measure_teachers(device),
        "metrics": lambda: metrics.measure(device),
        "precision": lambda: precision.measure(device),
        "growth": lambda: grid.growth(device),
        "book": book.measure,
    }


def show(costs: cost.Costs) -> None:
    """Print every table."""
    console = Console(markup=False, emoji=False)
    targets = cost.targets({costs.kind: costs})
    shown = {
        **{name: report.table(costs, name) for name in report.SECTIONS},
        "targets": targets[targets["device"] == costs.kind],
    }
    for title, frame in shown.items():
        printed = Table(title=title, title_justify="left")
        for column in frame.columns:
            printed.add_column(str(column))
        for row in frame.astype(str).to_numpy().tolist():
            printed.add_row(*map(Text, row))
        console.print(printed)


def _made(device: str) -> Record:
    return {
        "device": devices.describe_device(devices.resolve_device(device)),
        "commit": manifest.commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": manifest.versions(),
    }


def _line(record: Record) -> str:
    return ", ".join(
        f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in record.items()
    )


if __name__ == "__main__":
    sys.exit(main())
