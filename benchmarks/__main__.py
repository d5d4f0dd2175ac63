"""Measure everything, or some sections of it, then print and store the records: ``python -m benchmarks``."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from asymdistill.runtime import devices
from asymdistill.runtime.terminal import print_table
from asymdistill.store import files, provenance
from benchmarks import ceiling, metrics, networks, records, report, runs, sweeps
from benchmarks import files as embedding_files
from benchmarks.measuring import Record


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", default=devices.resolve_device("auto").type, choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="default: benchmarks/cpu.json or benchmarks/cuda.json")
    parser.add_argument("sections", nargs="*", choices=[*sections("cpu", {}), []], help="default: all")
    chosen = parser.parse_args(arguments)
    out = chosen.out or records.FOLDER / f"{chosen.device}.json"
    stored: Record = files.read_json(out) or {}
    rates = ceiling.measure(chosen.device)
    for name, measure in sections(chosen.device, rates).items():
        if chosen.sections and name not in chosen.sections:
            continue
        found = []
        for record in measure():
            found.append(record)
            print(f"{name}: {_line(record)}", flush=True)
        # Stored after each section: all of them together take the better part of an hour.
        stored[name] = {**_provenance(chosen.device), "ceiling": rates, "records": found}
        files.write_json(out, stored)
    show(records.load(out))
    return 0


def sections(device: str, rates: Record) -> dict[str, Callable[[], Iterable[Record]]]:
    """What is measured, in order; each section yields its records as they come."""
    return {
        "grid": lambda: runs.grid(device),
        "training": lambda: networks.measure_training(device, rates),
        "teachers": lambda: networks.measure_teachers(device),
        "metrics": lambda: metrics.measure(device),
        "files": lambda: embedding_files.measure(rates),
        "sweeps": sweeps.measure,
        "precision": lambda: runs.precision(device),
        "growth": lambda: runs.growth(device),
        "book": runs.book,
    }


def show(costs: records.Costs) -> None:
    """Print the table of every section."""
    for name in report.SECTIONS:
        frame = report.table(costs, name)
        print_table(name, map(str, frame.columns), frame.astype(str).to_numpy().tolist())


def _provenance(device: str) -> Record:
    return {
        "device": devices.describe_device(devices.resolve_device(device)),
        "commit": provenance.commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": provenance.python_version(), **provenance.versions()},
    }


def _line(record: Record) -> str:
    return ", ".join(
        f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in record.items()
    )


if __name__ == "__main__":
    # As the command line of asymdistill sets them: huge pages, and probes that are fitted on a GPU.
    os.environ |= {"THP_MEM_ALLOC_ENABLE": "1", "SCIPY_ARRAY_API": "1"}
    sys.exit(main())
