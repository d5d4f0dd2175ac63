"""The way the papers' notebook works, in plain PyTorch: the reference that our pipeline is timed against.

It follows the description of the released notebook, not its code. Every pass over the images goes through Pillow in a
data loader; the frozen teacher runs again on every training batch of every student; everything is float32 in
PyTorch's default memory format, with PyTorch's own threads and one student after the other; and each model is evaluated
separately at each noise level, through the loader again. On a GPU the teacher is in half precision, as in the notebook.
It imports only the student and the teacher's architecture from asymdistill, which both pipelines share.

Run by itself it prints its measurements as JSON: ``python -m benchmarks.reference_pipeline --images IMAGES.npz``.
"""

import json
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from asymdistill.models.students import ScalableCNN
from asymdistill.models.teachers import untrained_teacher
from benchmarks.pipelines import options

BATCH = 64
NOISE = (0, 0.05, 0.1, 0.2)
LOADERS = 2
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images that Pillow preprocesses each time one is read."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, resolution: int) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose([
            transforms.Resize(resolution, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(resolution),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def loader(pictures: Pictures, seed: int | None = None) -> DataLoader[tuple[Tensor, int]]:
    """Batches of 64: with a seed, for training, shuffled and full ones only; in order otherwise."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    shuffled = seed is not None
    return DataLoader(
        pictures,
        BATCH,
        shuffle=shuffled,
        drop_last=shuffled,
        generator=generator,
        num_workers=LOADERS,
        pin_memory=False,
    )


def train(
    student: nn.Module, teacher: Callable[[Tensor], Tensor], pictures: Pictures, seed: int, epochs: int, device: str
) -> nn.Module:
    """Distil one student, running the teacher on every batch."""
    student.to(device).train()
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-3)
    for _ in range(epochs):
        for images, _ in loader(pictures, seed):
            images = images.to(device)
            with torch.no_grad():
                targets = F.normalize(teacher(images).float(), dim=1)
            loss = (1 - F.cosine_similarity(student(images), targets)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return student.eval()


@torch.no_grad()
def embeddings(model: Callable[[Tensor], Tensor], pictures: Pictures, device: str, sigma: float = 0.0) -> np.ndarray:
    """Embeddings of all images, with Gaussian noise on the normalised tensor if sigma is not 0."""
    parts = []
    for images, _ in loader(pictures):
        images = images.to(device)
        if sigma:
            images = images + sigma * torch.randn_like(images)
        parts.append(F.normalize(model(images).float(), dim=1).cpu())
    return torch.cat(parts).numpy()


def effective_rank(rows: np.ndarray) -> float:
    """Exponential of the entropy of the variance spectrum."""
    variance = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = variance / variance.sum()
    return float(np.exp(-np.sum(shares * np.log(shares + 1e-10))))


def main() -> None:
    """Run the grid on images from a file and print the seconds of each stage."""
    chosen = options(__doc__)
    with np.load(chosen.images, allow_pickle=False) as file:
        pictures, tests = (
            Pictures(file[f"{split}_images"], file[f"{split}_labels"], chosen.resolution) for split in ("train", "test")
        )
    frozen = untrained_teacher(chosen.teacher).to(chosen.device)
    half = chosen.device != "cpu"
    teacher = frozen.half() if half else frozen

    def encode(images: Tensor) -> Tensor:
        encoded: Tensor = teacher(images.half() if half else images)
        return encoded

    begin = time.perf_counter()
    models: list[Callable[[Tensor], Tensor]] = [encode]
    for width in chosen.widths:
        for seed in chosen.seeds:
            torch.manual_seed(seed)
            student = ScalableCNN(width, frozen.embedding_dim)
            models.append(train(student, encode, pictures, seed, chosen.epochs, chosen.device))
    trained = time.perf_counter()
    for model in models:
        clean = embeddings(model, pictures, chosen.device)
        probe = LogisticRegression(max_iter=2000).fit(clean, pictures.labels)
        for sigma in NOISE:
            seen = embeddings(model, tests, chosen.device, sigma)
            probe.score(seen, tests.labels)
            if sigma == 0:
                effective_rank(seen)
    end = time.perf_counter()
    print(json.dumps({"training": trained - begin, "evaluation": end - trained, "seconds": end - begin}))


if __name__ == "__main__":
    main()
