"""Time, memory and error of our metrics and of other implementations."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from asymdistill.metrics import contrastive, spectrum
from asymdistill.metrics.streaming import EffectiveRank
from benchmarks.measuring import Record, module, most_used, seconds

DIM = 512
ROWS = (12_500, 50_000, 200_000)
STREAMED = (100_000, 1_000_000, 10_000_000)
PAIRED = (12_500, 25_000, 50_000)
_BATCH = 10_000


def _svdvals(kind: torch.dtype) -> Callable[[Tensor], float]:
    def effective_rank(x: Tensor) -> float:
        rows = x.to(kind)
        return spectrum.effective_rank_of(torch.linalg.svdvals(rows - rows.mean(0)))

    return effective_rank


def _pca(x: Tensor) -> float:
    return spectrum.effective_rank_of(torch.from_numpy(PCA().fit(x.cpu().numpy()).singular_values_).double())


METHODS: dict[str, Callable[[Tensor], float]] = {
    "ours": spectrum.effective_rank,
    "svdvals float32": _svdvals(torch.float32),
    "svdvals float64": _svdvals(torch.float64),
    "PCA of scikit-learn": _pca,
}


def measure(device: str) -> Iterator[Record]:
    """One record per metric, method and number of 512-dimensional embeddings, each in a process of its own."""
    for rows in ROWS:
        for method in METHODS if rows == ROWS[1] else ("ours",):
            yield {"metric": "effective rank", "method": method, **_in_a_process("rank", rows, device, method)}
    for rows in STREAMED:
        yield {"metric": "streaming effective rank", "method": "ours", **_in_a_process("stream", rows, device)}
    for rows in PAIRED:
        yield {"metric": "uniformity over all pairs", "method": "ours", **_in_a_process("uniformity", rows, device)}


def _in_a_process(metric: str, rows: int, device: str, method: str = "ours") -> Record:
    return module("metrics", metric, "--rows", rows, "--device", device, "--method", method)


def embeddings(rows: int, device: str, seed: int = 0) -> Tensor:
    """Unit-norm float32 embeddings, N x 512, around a mean; the variance of direction k falls as 1 / k^2."""
    generator = torch.Generator(device).manual_seed(seed)
    spread = 1 / torch.arange(1, DIM + 1, device=device)
    drawn = torch.randn(rows, DIM, generator=generator, device=device).mul_(spread)
    drawn[:, 0] += 1
    return torch.nn.functional.normalize(drawn, dim=1, out=drawn)


def rank(rows: int, device: str, method: str) -> Record:
    """Effective rank by one method; at the size where methods are compared, its error against float64 svdvals."""
    x = embeddings(rows, device)
    used = most_used(lambda: METHODS[method](x))
    taken, found = seconds(lambda: METHODS[method](x), device=device), METHODS[method](x)
    error = abs(found / METHODS["svdvals float64"](x) - 1) if rows == ROWS[1] else None
    return {"seconds": taken, "used_gib": used, "relative_error": error}


def stream(rows: int, device: str, method: str) -> Record:
    """Effective rank of embeddings drawn batch by batch and never held together; the time leaves out the drawing."""
    metric = EffectiveRank(DIM).to(device)
    batch = embeddings(_BATCH, device)
    taken = seconds(lambda: metric.update(batch), device=device)
    metric.reset()

    def read() -> None:
        for number in range(rows // _BATCH):
            metric.update(embeddings(_BATCH, device, number))

    used = most_used(read)
    return {"seconds": taken * rows / _BATCH, "used_gib": used, "value": float(metric.compute())}


def uniformity(rows: int, device: str, method: str) -> Record:
    """Uniformity over all pairs of embeddings, in one pass."""
    x = embeddings(rows, device)
    begin = time.perf_counter()
    used = most_used(lambda: contrastive.uniformity(x, batch_size=None))
    return {"seconds": time.perf_counter() - begin, "used_gib": used}


def main() -> None:
    """Measure one metric once; print the record as JSON."""
    measures: dict[str, Any] = {"rank": rank, "stream": stream, "uniformity": uniformity}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("metric", choices=measures)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--method", choices=METHODS, default="ours")
    chosen = parser.parse_args()
    found = measures[chosen.metric](chosen.rows, chosen.device, chosen.method)
    print(json.dumps({"rows": chosen.rows, "dim": DIM, **found}))


if __name__ == "__main__":
    main()
