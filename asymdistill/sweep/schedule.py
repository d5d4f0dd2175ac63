"""How long students take on many devices, from the seconds that each took in a recorded run."""

import heapq
from collections.abc import Iterable, Sequence

import pandas as pd

from asymdistill.runtime.errors import check_positive
from asymdistill.runtime.progress import duration
from asymdistill.study.recorded import Recorded

DEVICES = (1, 4, 10, 100)


def makespan(seconds: Iterable[float], devices: int) -> float:
    """Seconds until the last student is trained, if each device takes the longest of those that are left.

    No order can be faster than three quarters of that (Graham, 1969), nor than the longest student.

    Args:
        seconds: of each student.
        devices: how many students are trained at a time.
    """
    check_positive("devices", devices)
    busy = [0.0] * devices
    for own in sorted(seconds, reverse=True):
        heapq.heapreplace(busy, busy[0] + own)
    return max(busy)


def finest(runs: Sequence[Recorded]) -> Recorded:
    """Of recorded runs, the one whose students saw the largest images, and the most of them."""
    return max(runs, key=lambda run: (run.settings.resolution or 0, run.sizes.get("train", 0)))


def table(run: Recorded, copies: int, devices: Sequence[int] = DEVICES) -> pd.DataFrame:
    """Time and device hours for the students of a recorded run, several times over, by number of devices.

    Args:
        run: whose manifest has the seconds of each student.
        copies: how many times.
        devices: their numbers.
    """
    seconds = [*run.manifest["results"]["students"].values()] * copies
    times = {count: makespan(seconds, count) for count in devices}
    return pd.DataFrame(
        {
            "devices": [*times],
            "students": len(seconds),
            "time": [duration(time) for time in times.values()],
            "longest student": duration(max(seconds)),
            "device hours": [f"{count * time / 3600:.2f}" for count, time in times.items()],
            "busy (%)": [f"{100 * sum(seconds) / (count * time):.0f}" for count, time in times.items()],
        }
    )
