"""The recipe that trains on captions."""

import pytest
import torch

from asymdistill.data.scenes import FACTORS, SHAPES, class_prompt, generate
from asymdistill.data.views import View
from asymdistill.models.encoding import embed
from asymdistill.models.mini_clip import ImageTower, TextTower, Towers
from asymdistill.runtime.errors import InputError
from asymdistill.training.scenes_clip import (
    Captioning,
    ClipRecipe,
    contrastive_loss,
    draw_named_factors,
    matches,
    vocabulary,
)


def test_matches_are_captions_that_are_true() -> None:
    factors = torch.tensor([[0, 1, 2], [0, 1, 3], [5, 1, 2]])
    named = torch.tensor([[True, True, False], [False, False, True], [True, False, False]])
    # caption 0: first two factors are 0, 1; caption 1: third is 3; caption 2: first is 5.
    expected = [[True, False, False], [True, True, False], [False, False, True]]
    assert matches(factors, named).tolist() == expected


def test_the_loss_is_zero_where_cosines_tell_all() -> None:
    match = torch.eye(3, dtype=torch.bool)
    vectors = torch.eye(3)
    assert contrastive_loss(vectors, vectors, match, torch.tensor(100.0)) < 1e-6
    assert contrastive_loss(vectors, vectors.roll(1, 0), match, torch.tensor(100.0)) > 50
    every = torch.ones(3, 3, dtype=torch.bool)
    assert contrastive_loss(torch.ones(3, 2), torch.ones(3, 2), every, torch.tensor(10.0)).abs() < 1e-6


def test_captions_name_at_least_one_factor_and_mostly_the_shape() -> None:
    chosen = draw_named_factors(5000, ClipRecipe(), torch.Generator().manual_seed(0))
    assert chosen.any(dim=1).all()
    assert chosen.sum(dim=1).max() == 1 + ClipRecipe().most_named
    shares = chosen.float().mean(dim=0)
    assert shares[0] > 0.8
    assert shares[1:].max() - shares[1:].min() < 0.05


def test_the_loss_of_a_batch_is_that_of_captions_drawn_for_it() -> None:
    recipe = ClipRecipe(images=24, epochs=1, batch=8, seed=3)
    task, chosen = Captioning(recipe).eval(), torch.tensor([5, 1, 20, 7])
    drawn = []
    task.text.register_forward_pre_hook(lambda module, inputs: drawn.append(inputs[0]))
    with torch.no_grad():
        loss = task(chosen)
    named = draw_named_factors(4, recipe, torch.Generator().manual_seed(3))
    scenes = generate(24, seed=3)
    words = vocabulary().words
    for token_ids, index, flags in zip(drawn[0].tolist(), chosen.tolist(), named.tolist(), strict=True):
        text = " ".join(words[token_id - 1] for token_id in token_ids if 0 < token_id <= len(words))
        for (factor, values), flag in zip(FACTORS.items(), flags, strict=True):
            assert (values[int(scenes.factors[factor][index])] in text) or not flag
    assert loss.dtype == torch.float32
    assert 0 < float(loss) < 10


def test_zero_shot_accuracy_is_that_of_the_closest_prompt() -> None:
    torch.manual_seed(0)
    towers = Towers(ImageTower().eval(), TextTower(vocabulary()).eval())
    test = generate(30, seed=7)
    prompts = [class_prompt(label) for label in range(len(SHAPES))]

    def encode(captions: list[str]) -> torch.Tensor:
        assert captions == prompts
        # The tower's own embeddings of some scenes: each prompt is closest to a scene whose shape it should name.
        return torch.stack([own[test.labels == label].mean(0) for label in range(len(SHAPES))])

    own = embed(towers.image, test.images, View(32))
    towers.text.encode = encode
    found = ClipRecipe(seed=5, probe_images=60).measure(towers)
    expected = (own @ torch.nn.functional.normalize(encode(prompts), dim=1).T).argmax(1) == test.labels
    assert found["zero-shot accuracy"] == pytest.approx(float(expected.float().mean()))
    assert found.keys() == {"probe accuracy", "effective rank", "zero-shot accuracy"}


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("shape_share", 1.5, "shape_share is 1.5; allowed: 0 to 1"),
        ("most_named", -1, "most_named is -1; allowed: 0 to"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClipRecipe(**{setting: value})
