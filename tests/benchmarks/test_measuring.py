"""The benchmarks measure what they say: operations counted, memory watched, both pipelines run to their end."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from asymdistill.config.names import SCENES_SIMCLR, SHIPPED_TEACHERS
from asymdistill.metrics import spectrum
from asymdistill.models.students import ScalableCNN
from asymdistill.runtime import devices
from asymdistill.training.losses import cosine_distance
from benchmarks import __main__ as command
from benchmarks import ceiling, measuring, metrics, networks, records, reference_pipeline, runs
from benchmarks import files as embedding_files

RATES = {"matrix_gflops": 1.0, "matrix_gflops_double": 1.0, "copy_gbytes": 1.0}


@pytest.mark.parametrize(("width", "resolution"), [(0.5, 32), (2, 48)])
def test_operations_are_those_that_pytorch_counts(width: float, resolution: int) -> None:
    student = ScalableCNN(width)
    with FlopCounterMode(display=False) as counter:
        embeddings = student(torch.randn(2, 3, resolution, resolution))
        cosine_distance(embeddings, torch.randn(2, 512)).backward()
    counted = 2 * sum(operations for operations, _ in ceiling.work(width, resolution))
    assert counted == counter.get_total_flops()


def test_bytes_of_the_first_convolution_and_of_the_last_layer() -> None:
    layers = ceiling.work(1, 32)
    # input, output, gradient of the output, input again; no gradient of the input
    assert layers[0][1] == 4 * 32 * 32 * (3 + 16 + 16 + 3)
    assert layers[-1][1] == 4 * (512 + 512 + 512 + 2 * 512)


def test_each_layer_is_held_up_by_the_slower_of_both() -> None:
    assert ceiling.least_seconds([(3e9, 1e9), (1e9, 2e9)], RATES) == (5.0, "matrix")
    assert ceiling.least_seconds([(3e9, 1e9), (1e9, 9e9)], RATES) == (12.0, "copy")


def test_the_memory_of_a_command_and_its_children_is_seen() -> None:
    hold = "import time; kept = bytearray(b'x' * 300_000_000); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); print('done')"
    output, usage = measuring.watched([sys.executable, "-c", parent])
    assert output == "done\n"
    assert 0.28 < usage["peak_gib"] < 0.6
    assert usage["seconds"] > 1.5


def test_the_memory_that_a_call_takes_is_counted_from_what_was_held_before() -> None:
    # In a process of its own: one that freed as much before has the memory already.
    code = """
import time, torch
from benchmarks import measuring
kept = torch.ones(50_000_000)
print(measuring.most_used(lambda: (kept + 1, time.sleep(0.5))))
"""
    output, _ = measuring.watched([sys.executable, "-c", code])
    assert 0.18 < float(output) < 0.25


def test_a_command_that_fails_is_shown_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="status 3: no luck"):
        measuring.watched([sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])


def test_the_environment_of_a_command_can_be_set() -> None:
    output, _ = measuring.watched([sys.executable, "-c", "import os; print(os.environ['A'])"], {"A": "7"})
    assert output == "7\n"


def test_the_reference_prepares_images_as_the_paper_does_and_has_the_papers_rank() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    pictures = reference_pipeline.Pictures(images, np.arange(5), 48)
    from asymdistill.data.preprocess import clip_preprocess

    ours = clip_preprocess(torch.from_numpy(images), 48)
    assert torch.equal(torch.stack([pictures[index][0] for index in range(5)]), ours)
    rows = np.random.default_rng(1).normal(size=(50, 8))
    assert reference_pipeline.effective_rank(rows) == pytest.approx(spectrum.effective_rank(torch.from_numpy(rows)))


@pytest.mark.parametrize("method", metrics.METHODS)
def test_every_method_gives_the_same_rank(method: str) -> None:
    x = metrics.embeddings(2000, "cpu")
    assert metrics.METHODS[method](x) == pytest.approx(spectrum.effective_rank(x), rel=1e-4)


def test_streaming_holds_all_that_was_drawn() -> None:
    found = metrics.stream(20_000, "cpu", "ours")
    whole = torch.cat([metrics.embeddings(10_000, "cpu", number) for number in range(2)])
    assert found["value"] == pytest.approx(spectrum.effective_rank(whole.double()), rel=1e-9)


def test_files_are_written_as_asked_and_both_methods_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_files, "_BLOCK", 2**10)
    path = tmp_path / "x.npy"
    embedding_files.write(path, 250, 8, "float16")
    rows = np.load(path)
    assert (rows.shape, rows.dtype) == ((250, 8), np.float16)
    assert np.array_equal(rows[:128], embedding_files.block(128, 8, "float16").numpy())
    rank = spectrum.effective_rank(torch.from_numpy(rows))
    embedding_files.forget(path)
    assert embedding_files.ours(path) == pytest.approx(rank, rel=1e-9)
    assert embedding_files.one_pass(path) == pytest.approx(rank, rel=1e-9)


def test_a_simulated_file_repeats_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_files, "_BLOCK", 2**22)
    held = embedding_files.block(2**19, 8, "float16")
    repeated = torch.cat([held, held[:1000]])
    assert embedding_files.simulated(2**19 + 1000, 8) == pytest.approx(spectrum.effective_rank(repeated), rel=1e-9)


def test_the_ceiling_of_a_file_is_the_lower_of_disk_and_matrix_product() -> None:
    rates = {"matrix_gflops_double": 90.0}
    found = embedding_files._record(10**9, 9, "float16", rates, {"seconds": 36.0}, 2.0)
    # 18 bytes a row and 9 x 10 operations: 1e9 rows/s, 18 GB/s by the product; by the disk 2 GB/s
    assert found["gbytes_per_second"] == pytest.approx(0.5)
    assert found["matrix_gbytes"] == pytest.approx(18)
    assert found["share_of_ceiling"] == pytest.approx(0.25)


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["ours", "reference"])
def test_a_pipeline_runs_to_its_end_on_a_small_teacher(pipeline: str) -> None:
    found = runs.run(pipeline, "cpu", 64, teacher=SCENES_SIMCLR, resolution=32, widths=[0.25, 0.5], seeds=[1])
    assert found["seconds"] == pytest.approx(found["training"] + found["evaluation"])
    assert (found["images"], found["test_images"], found["students"]) == (64, 16, 2)
    assert found["per_image"] == found["seconds"] / 64
    assert found["peak_gib"] > 0.1


def test_sections_are_stored_one_by_one_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "measure", lambda device: RATES)
    measured = {"book": [{"profile": "embedded", "images": 1, "seconds": 2.0, "peak_gib": 0.5}], "growth": []}

    def sections(device: str, rates: dict) -> dict:
        return {name: lambda found=found: iter(found) for name, found in measured.items()}

    monkeypatch.setattr(command, "sections", sections)
    out = tmp_path / "cpu.json"
    assert command.main(["--device", "cpu", "--out", str(out), "book"]) == 0
    assert list(json.loads(out.read_text("utf-8"))) == ["book"]
    measured["book"] = []
    assert command.main(["--device", "cpu", "--out", str(out), "growth"]) == 0
    stored = json.loads(out.read_text("utf-8"))
    assert stored["book"]["records"][0]["seconds"] == 2.0
    assert stored["growth"]["records"] == []
    assert stored["growth"]["ceiling"] == RATES


def test_a_section_is_measured_stored_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ceiling, "measure", lambda device: RATES)
    monkeypatch.setattr(networks, "TEACHERS", [(SHIPPED_TEACHERS[0], 64, 2)])
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: True)
    out = tmp_path / "cpu.json"
    assert command.main(["--device", "cpu", "--out", str(out), "teachers"]) == 0
    measured = records.load(out).section("teachers")
    assert measured["images"].tolist() == [2, 4, 8, 2, 4, 8]
    assert measured["precision"].tolist() == ["float32"] * 3 + ["bfloat16"] * 3
    printed = capsys.readouterr().out
    assert printed.count(f"teachers: teacher {SHIPPED_TEACHERS[0]}, ") == 6
    assert "not measured" in printed  # the other sections


def test_the_command_explains_itself_and_refuses_unknown_sections(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--help"])
    monkeypatch.delitem(sys.modules, "benchmarks.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("benchmarks", run_name="__main__")
    assert ended.value.code == 0
    assert "--device" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        command.main(["no-such-section"])
