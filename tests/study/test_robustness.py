"""The noise sweep: one fixed probe, every level, the noise that was asked for."""

import pytest
import torch
from torch import Tensor

from asymdistill.data.views import GaussianNoise
from asymdistill.metrics.probe import fit_probe
from asymdistill.study.robustness import noise_sweep


def two_clusters() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    return centres[labels] + 0.01 * torch.randn(40, 2, generator=generator), labels


def test_accuracy_falls_as_embeddings_turn_to_the_other_class() -> None:
    embeddings, labels = two_clusters()
    probe = fit_probe(embeddings, labels)

    def encode(noise: GaussianNoise) -> Tensor:
        moved = embeddings.clone()
        wrong = round(noise.sigma * 40)  # so many images are taken for the other class
        moved[:wrong] = moved[:wrong].flip(1)
        return moved

    measured = noise_sweep(encode, probe, labels, levels=[0.0, 0.25, 1.0])
    assert measured == {0.0: 100.0, 0.25: pytest.approx(75.0), 1.0: 0.0}
    assert list(measured) == [0.0, 0.25, 1.0]


def test_every_level_is_encoded_once_in_the_space_and_with_the_seed_asked_for() -> None:
    embeddings, labels = two_clusters()
    asked: list[GaussianNoise] = []

    def encode(noise: GaussianNoise) -> Tensor:
        asked.append(noise)
        return embeddings

    noise_sweep(encode, fit_probe(embeddings, labels), labels, levels=(0.2, 0.1), space="pixel", seed=7)
    assert asked == [GaussianNoise(0.2, "pixel", 7), GaussianNoise(0.1, "pixel", 7)]
