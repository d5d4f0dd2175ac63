"""Records of benchmarks: what is read from them and how the chapter on cost shows them."""

from pathlib import Path

import pytest

from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from benchmarks import records, report

MADE = {
    "device": "CPU (here)",
    "commit": "abc",
    "created": "2030-01-02T03:04:05",
    "ceiling": {"matrix_gflops": 100.0, "matrix_gflops_double": 50.0, "copy_gbytes": 10.0},
}


def grid(*seconds: tuple[float, float]) -> list[dict]:
    return [
        {
            **{"round": number, "pipeline": pipeline, "images": 10, "training": taken / 2, "evaluation": taken / 2},
            **{"seconds": taken, "per_image": taken / 10, "peak_gib": 1.0},
        }
        for number, pair in enumerate(seconds, start=1)
        for pipeline, taken in zip(("ours", "reference"), pair, strict=True)
    ]


def metrics(ours: float = 1.0, error: float = 1e-9, stream: float = 0.01, pairs: float = 0.5) -> list[dict]:
    def record(metric: str, method: str, rows: int, seconds: float, used: float, off: float | None = None) -> dict:
        return {
            "metric": metric,
            "method": method,
            "rows": rows,
            "seconds": seconds,
            "used_gib": used,
            "relative_error": off,
        }

    ranks = {"ours": ours, "svdvals float32": 3.0, "svdvals float64": 6.0, "PCA of scikit-learn": 2.0}
    return [
        *(record("effective rank", method, 50_000, taken, 0.1, error) for method, taken in ranks.items()),
        *(record("streaming effective rank", "ours", rows, rows / 1e6, used)
          for rows, used in ((10**5, 0.01), (10**6, 0.01), (10**7, stream))),
        *(record("uniformity over all pairs", "ours", rows, (rows / 1000) ** 2, pairs) for rows in (100, 200, 400)),
    ]  # fmt: skip


def training(share: float) -> list[dict]:
    return [
        {
            **{"width": width, "resolution": side, "precision": "float32", "images_per_second": 1e6 / side**2 / width},
            **{
                "gflop_per_image": 1.0,
                "gbytes_per_image": 0.1,
                "limit": "copy",
                "share_of_ceiling": share,
                "peak_gib": 1.0,
            },
        }
        for width in (1.0, 4.0)
        for side in (32, 112, 224)
    ]


def precision(shift: float) -> list[dict]:
    return [
        {
            "model": model,
            "seed": seed,
            "precision": kind,
            "effective rank": 10 + seed + off,
            "accuracy": 50 - seed - off,
        }
        for model in ("S", "L")
        for seed in (1, 2, 3)
        for kind, off in (("float32", 0.0), ("bfloat16", shift))
    ]


def write(path: Path, **sections: list[dict]) -> Path:
    files.write_json(path, {name: {**MADE, "records": records} for name, records in sections.items()})
    return path


def test_a_stored_benchmark_is_read_by_section(tmp_path: Path) -> None:
    costs = records.load(write(tmp_path / "cpu.json", grid=grid((10, 30))))
    assert costs.kind == "cpu"
    assert costs.provenance["grid"]["commit"] == "abc"
    assert len(costs.section("grid")) == 2
    assert costs.section("training").empty


def test_times_are_relative_to_ours_within_each_round(tmp_path: Path) -> None:
    costs = records.load(write(tmp_path / "cpu.json", grid=grid((10, 30), (20, 50)), metrics=metrics()))
    assert report.table(costs, "grid")["relative to ours"].tolist() == ["1", "3", "1", "2.5"]
    shown = report.table(costs, "metrics").set_index(["metric", "method"])
    assert shown.loc[("effective rank", "svdvals float64"), "relative to ours"] == "6"
    assert shown.loc["streaming effective rank", "relative to ours"].tolist() == ["1"] * 3


def test_precisions_are_compared_with_the_spread_over_seeds(tmp_path: Path) -> None:
    costs = records.load(write(tmp_path / "cpu.json", precision=precision(0.5)))
    table = records.precisions(costs).set_index(["model", "quantity"])
    assert table.loc[("L", "effective rank")].tolist() == pytest.approx([12, 12.5, 0.5, 1])
    assert table.loc[("S", "accuracy")].tolist() == pytest.approx([48, 47.5, -0.5, 1])


def test_exponents_are_those_of_powers(tmp_path: Path) -> None:
    costs = records.load(write(tmp_path / "cpu.json", metrics=metrics(), training=training(0.5)))
    fitted = records.exponents(costs).set_index("quantity")
    assert fitted.loc["uniformity over all pairs", "time"] == pytest.approx(2)
    assert fitted.loc["streaming effective rank", "time"] == pytest.approx(1)
    assert fitted.loc["streaming effective rank", "memory"] == pytest.approx(0, abs=1e-9)
    assert fitted.loc["1,000 training images, w = 4", "time"] == pytest.approx(1)  # of the number of pixels
    assert "effective rank" not in fitted.index  # measured at one size only
    assert fitted.loc["uniformity over all pairs", "sizes"] == "100 to 400 embeddings"


def test_a_page_without_measurements_says_so_everywhere(tmp_path: Path) -> None:
    nothing = records.stored("cpu", tmp_path)
    for name in report.SECTIONS:
        assert report.table(nothing, name).to_dict("list") == {name: ["not measured"]}
    assert report.provenance(nothing).empty
    for draw in (report.grid, report.training, report.growth):
        assert "not measured" in draw(nothing).texts[0].get_text()


def test_tables_and_figures_show_what_was_measured(tmp_path: Path) -> None:
    costs = records.load(write(tmp_path / "cpu.json", grid=grid((10, 30)), metrics=metrics(), training=training(0.5)))
    assert report.table(costs, "grid")["total (s)"].tolist() == ["10", "30"]
    assert report.table(costs, "training")["share of the ceiling (%)"].unique().tolist() == ["50"]
    assert report.table(costs, "metrics")["relative error"].tolist()[:1] == ["1e-09"]
    simulated = {"pool": "Ray", "tasks": 1000, "slots": 2, "seconds": 4.0, "used_gib": 0.01, "per_task": 0.004}
    shown = report.table(records.load(write(tmp_path / "cuda.json", sweeps=[simulated])), "sweeps")
    assert shown["time per task (ms)"].tolist() == ["4"]
    (made,) = report.provenance(costs).to_numpy().tolist()
    assert made == ["grid, metrics, training", "CPU (here)", "abc", "2030-01-02", "100", "50", "10"]
    bars = report.grid(costs).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(40)
    ceiling = report.training(costs).axes[0].lines[1].get_ydata()
    measured = report.training(costs).axes[0].lines[0].get_ydata()
    assert list(ceiling) == pytest.approx([2 * value for value in measured])


def test_the_steps_of_a_run_add_up() -> None:
    table = report.steps({"spectrum": 1.5, "train students": 20.0})
    assert table.to_numpy().tolist() == [["train students", "20"], ["spectrum", "1.5"], ["total", "21.5"]]


def test_missing_damaged_and_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cpu\.json holds no benchmark"):
        records.load(tmp_path / "cpu.json")
    path = write(tmp_path / "cpu.json", grid=grid((1, 2)))
    path.write_text(path.read_text("utf-8").replace("10", "11"), "utf-8")
    with pytest.raises(InputError, match="damaged"):
        records.load(path)
    files.write_json(path, {"grid": [1]})
    with pytest.raises(InputError, match="no benchmark of this version"):
        records.load(path)


def test_the_repositorys_own_benchmark_is_intact_and_complete() -> None:
    costs = records.stored("cpu")
    for name in report.SECTIONS:
        assert list(report.table(costs, name)) != [name], f"{name} is not measured"
