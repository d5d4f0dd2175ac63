"""Keys: equal inputs have one key on every machine, and whatever changes a result has another."""

import gc
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.experiment.experiment import PROBE
from asymdistill.experiment.frozen_teacher import EMBEDDINGS
from asymdistill.experiment.images import IMAGES
from asymdistill.experiment.measurements import MEASUREMENT
from asymdistill.experiment.student_configs import StudentConfig
from asymdistill.experiment.trained_students import SNAPSHOT, STUDENT
from asymdistill.store import keys
from asymdistill.store.keys import Artifact, Kind, canonical

KIND = Kind("things", 1, ("store/keys.py",))
KINDS = (IMAGES, EMBEDDINGS, STUDENT, SNAPSHOT, PROBE, MEASUREMENT)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(values=st.dictionaries(st.text(), PLAIN | st.lists(PLAIN, max_size=3), max_size=6), order=st.randoms())
def test_the_order_of_inputs_does_not_matter(values: dict[str, Any], order: Any) -> None:
    names = list(values)
    order.shuffle(names)
    shuffled = {name: values[name] for name in names}
    assert canonical(shuffled) == canonical(values)
    one, other = Artifact(KIND, values), Artifact(KIND, shuffled)
    assert (one, hash(one), one.key) == (other, hash(other), other.key)


def test_a_key_is_the_digest_of_the_canonical_text() -> None:
    inputs = {"b": [1, 2.5], "a": "ä"}
    assert canonical(inputs) == '{"a":"ä","b":[1,2.5]}'
    # printf '%s' '{"inputs":{"a":"ä","b":[1,2.5]},"kind":"things","version":1}' | sha256sum
    text = f'{{"inputs":{canonical(inputs)},"kind":"things","version":1}}'
    digest = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True, check=True).stdout.decode()
    assert Artifact(KIND, inputs).key == digest[:40]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, Path("x"), b"x"])
def test_what_is_no_plain_value_cannot_be_an_input(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        _ = Artifact(KIND, {"x": value}).key


def test_kind_version_and_inputs_count_and_sources_do_not() -> None:
    one = Artifact(KIND, {"x": 1})
    others = {
        Artifact(Kind("others", 1, KIND.modules), {"x": 1}),
        Artifact(replace(KIND, version=2), {"x": 1}),
        Artifact(KIND, {"x": 2}),
        Artifact(KIND, {"x": 1, "y": None}),
    }
    assert len(others | {one}) == 5
    assert Artifact(replace(KIND, modules=()), {"x": 1}, (one,)) == one


def test_every_field_of_a_student_counts() -> None:
    config = StudentConfig(1.0, 42, "cosine", 32, 1, 64, 1e-3)
    changed = {
        "width": 1.0000001, "seed": 43, "objective": "infonce", "resolution": 33, "epochs": 2, "batch_size": 65,
        "learning_rate": 2e-3, "schedule": "cosine", "autocast": "bfloat16", "augmented": True, "dilation": 2,
        "noise": 0.1, "classes": 2, "weight": 1.0, "temperature": 0.1, "symmetric": True, "snapshots": True,
        "architecture": "transformer",
    }  # fmt: skip
    assert changed.keys() == asdict(config).keys()
    found = {Artifact(KIND, replace(config, **{name: value}).key) for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(found | {Artifact(KIND, config.key)}) == len(changed) + 1


CODE = '"""What it is."""\n\nSIZE = 3\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x  # a product\n'
SAME = {
    "a comment": CODE.replace("# a product", "# not a sum"),
    "a docstring": CODE.replace("Twice.", "Two times."),
    "layout": CODE.replace("\n\n\ndef", "\n\n\n\n\ndef").replace("2 * x", "(2*x)"),
    "no docstring": CODE.replace('    """Twice."""\n', ""),
}
DIFFERENT = {
    "a number": CODE.replace("2 * x", "3 * x"),
    "a constant": CODE.replace("SIZE = 3", "SIZE = 4"),
    "a text that is no docstring": CODE.replace("SIZE = 3", "SIZE = 'What it is.'"),
    "a name": CODE.replace("double", "twice"),
}


def digest_of(folder: Path, **modules: str) -> str:
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    return keys.code_digest.__wrapped__(tuple(f"{name}.py" for name in modules))


def test_code_counts_and_what_explains_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PACKAGE", tmp_path)
    first = digest_of(tmp_path, one=CODE, two="x = 1\n")
    assert digest_of(tmp_path, two="x = 1\n", one=CODE) == first
    for what, code in SAME.items():
        assert digest_of(tmp_path, one=code, two="x = 1\n") == first, what
    found = {digest_of(tmp_path, one=code, two="x = 1\n") for code in DIFFERENT.values()}
    found |= {digest_of(tmp_path, one=CODE, two="x = 2\n"), digest_of(tmp_path, one=CODE), first}
    assert len(found) == len(DIFFERENT) + 3


def test_code_in_another_module_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PACKAGE", tmp_path)
    assert digest_of(tmp_path, one="x = 1\n", two="") != digest_of(tmp_path, one="", two="x = 1\n")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_names_modules_that_are_there(kind: Kind) -> None:
    assert len(kind.code) == 16
    assert len(set(kind.modules)) == len(kind.modules)


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_keys_are_the_same_in_every_process() -> None:
    code = (
        "from asymdistill.store.keys import Artifact, Kind\n"
        "print(Artifact(Kind('k', 1, ()), {'b': {'y': 0.1, 'x': None}, 'a': [1e-3, True]}).key)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


class Cycle:
    """Garbage that takes a moment to collect, in which other threads run."""

    def __init__(self) -> None:
        self.own = self

    def __del__(self) -> None:
        time.sleep(1e-4)


def test_code_is_read_by_many_threads_at_once() -> None:
    source = (keys.PACKAGE / "study" / "controls.py").read_text("utf-8")
    often = gc.get_threshold()

    def read(number: int) -> str:
        for _ in range(5):
            Cycle()
        return keys._bare(source)

    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = set(threads.map(read, range(16)))
    finally:
        gc.set_threshold(*often)
    assert len(found) == 1
