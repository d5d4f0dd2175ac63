"""What a run costs, from records as a benchmark writes them."""

from pathlib import Path

import pandas as pd
import pytest

from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from benchmarks import records as cost
from benchmarks import report
from benchmarks.records import Costs

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


def verdicts(costs: dict[str, Costs], device: str = "cpu") -> list[str]:
    table = cost.targets(costs)
    return table.loc[table["device"] == device, "verdict"].tolist()


def test_the_speedup_is_taken_round_by_round(tmp_path: Path) -> None:
    costs = cost.load(write(tmp_path / "cpu.json", grid=grid((10, 30), (20, 50))))
    assert cost.speedup(costs).tolist() == [3.0, 2.5]
    assert costs.kind == "cpu"
    assert costs.made["grid"]["commit"] == "abc"


def test_targets_are_met_or_missed_by_what_was_measured(tmp_path: Path) -> None:
    met = cost.load(write(tmp_path / "cpu.json", grid=grid((10, 20)), metrics=metrics()))
    assert verdicts({"cpu": met}) == ["met", "not measured", "met", "missed", "met", "met"]  # 6 x and 3 x svdvals
    missed = cost.load(write(tmp_path / "cpu.json", grid=grid((10, 19)), metrics=metrics(2.0, 1e-9, 0.1, 1.5)))
    assert verdicts({"cpu": missed}) == ["missed", "not measured", *["missed"] * 4]
    assert verdicts({"cpu": cost.load(write(tmp_path / "cpu.json", metrics=metrics(error=1e-5)))})[2] == "missed"


def test_on_a_gpu_the_grid_is_to_be_faster_and_the_ceiling_nearer(tmp_path: Path) -> None:
    near = cost.load(write(tmp_path / "cuda.json", grid=grid((1, 30)), training=training(0.4)))
    assert verdicts({"cuda": near}, "cuda") == ["met", "not measured", "met", "not measured"]
    far = cost.load(write(tmp_path / "cuda.json", grid=grid((1, 29)), training=training(0.39)))
    assert verdicts({"cuda": far}, "cuda") == ["missed", "not measured", "missed", "not measured"]


def test_a_device_that_was_not_at_hand_says_so() -> None:
    table = cost.targets({})
    assert set(table["verdict"]) == {"not measured"}
    assert set(table["measured"]) == {"no such device was at hand"}


def test_precisions_are_compared_with_the_spread_over_seeds(tmp_path: Path) -> None:
    costs = cost.load(write(tmp_path / "cpu.json", precision=precision(0.5)))
    table = cost.precisions(costs).set_index(["model", "quantity"])
    assert table.loc[("L", "effective rank")].tolist() == pytest.approx([12, 12.5, 0.5, 1])
    assert table.loc[("S", "accuracy")].tolist() == pytest.approx([48, 47.5, -0.5, 1])
    verdict = cost.targets({"cpu": costs}).set_index(["device", "target"]).loc[("cpu", "bfloat16 against float32")]
    assert verdict.tolist()[1:] == ["accuracy within 0.50 spreads, effective rank within 0.50 spreads", "met"]
    far = cost.load(write(tmp_path / "cpu.json", precision=precision(-1.5)))
    assert cost.targets({"cpu": far})["verdict"].tolist()[1] == "missed"


def test_exponents_are_those_of_powers(tmp_path: Path) -> None:
    costs = cost.load(write(tmp_path / "cpu.json", metrics=metrics(), training=training(0.5)))
    fitted = cost.exponents(costs).set_index("quantity")
    assert fitted.loc["uniformity over all pairs", "time"] == pytest.approx(2)
    assert fitted.loc["streaming effective rank", "time"] == pytest.approx(1)
    assert fitted.loc["streaming effective rank", "memory"] == pytest.approx(0, abs=1e-9)
    assert fitted.loc["1,000 training images, w = 4", "time"] == pytest.approx(1)  # of the number of pixels
    assert "effective rank" not in fitted.index  # measured at one size only
    assert fitted.loc["uniformity over all pairs", "sizes"] == "100 to 400 embeddings"


def test_a_page_without_measurements_says_so_everywhere(tmp_path: Path) -> None:
    nothing = Costs("cpu", {}, {})
    for name in report.SECTIONS:
        assert report.table(nothing, name).to_dict("list") == {name: ["not measured"]}
    assert report.reading(nothing) == "Nothing was measured."
    assert report.provenance(nothing) == ""
    for draw in (report.grid, report.training, report.growth):
        assert "not measured" in draw(nothing).texts[0].get_text()


def test_tables_and_figures_show_what_was_measured(tmp_path: Path) -> None:
    costs = cost.load(write(tmp_path / "cpu.json", grid=grid((10, 30)), metrics=metrics(), training=training(0.5)))
    assert report.table(costs, "grid")["all (s)"].tolist() == ["10", "30"]
    assert report.table(costs, "training")["of the ceiling (%)"].unique().tolist() == ["50"]
    assert report.table(costs, "metrics")["relative error"].tolist()[:1] == ["1e-09"]
    assert "3.00 times as long" in report.reading(costs)
    assert report.provenance(costs).startswith("- grid, metrics, training: CPU (here), commit `abc`, 2030-01-02; ")
    bars = report.grid(costs).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(40)
    ceiling = report.training(costs).axes[0].lines[1].get_ydata()
    measured = report.training(costs).axes[0].lines[0].get_ydata()
    assert list(ceiling) == pytest.approx([2 * value for value in measured])


def test_the_steps_of_a_run_add_up() -> None:
    table = report.steps({"spectrum": 1.5, "train students": 20.0})
    assert table.to_numpy().tolist() == [["train students", "20"], ["spectrum", "1.5"], ["all", "21.5"]]


def test_missing_damaged_and_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cpu\.json holds no benchmark"):
        cost.load(tmp_path / "cpu.json")
    path = write(tmp_path / "cpu.json", grid=grid((1, 2)))
    path.write_text(path.read_text("utf-8").replace("10", "11"), "utf-8")
    with pytest.raises(InputError, match="damaged"):
        cost.load(path)
    files.write_json(path, {"grid": [1]})
    with pytest.raises(InputError, match="no benchmark of this version"):
        cost.load(path)


def test_benchmarks_are_found_by_the_kind_of_device(tmp_path: Path) -> None:
    assert cost.stored(tmp_path) == {}
    write(tmp_path / "cuda.json", grid=grid((1, 2)))
    assert list(cost.stored(tmp_path)) == ["cuda"]
    assert isinstance(cost.stored(tmp_path)["cuda"].section("grid"), pd.DataFrame)
