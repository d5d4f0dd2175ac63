import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asymdistill.data import scenes
from asymdistill.data.scenes import FACTORS, PALETTE, SHAPES, Scenes, caption, class_prompt, generate
from asymdistill.runtime.errors import InputError


@pytest.fixture(scope="module")
def drawn() -> Scenes:
    return generate(1000, seed=5)


def one(drawn: Scenes, i: int) -> dict[str, int]:
    return {name: int(values[i]) for name, values in drawn.factors.items()}


def test_shapes_types_and_order(drawn: Scenes) -> None:
    assert SHAPES == ("circle", "square", "triangle", "star", "cross", "ring", "crescent", "pentagon", "arrow", "heart")
    assert drawn.images.shape == (1000, 32, 32, 3)
    assert drawn.images.dtype == torch.uint8
    assert list(drawn.factors) == list(FACTORS)
    assert all(values.dtype == torch.int64 and values.shape == (1000,) for values in drawn.factors.values())
    assert drawn.labels is drawn.factors["shape"]
    assert len(drawn) == 1000


def test_other_sides() -> None:
    assert generate(2, seed=0, side=48).images.shape == (2, 48, 48, 3)


@given(count=st.integers(1, 40), more=st.integers(0, 25), seed=st.integers(0, 2**40))
@settings(max_examples=15)
def test_a_longer_run_begins_with_the_shorter(count: int, more: int, seed: int) -> None:
    short, long = generate(count, seed=seed), generate(count + more, seed=seed)
    assert torch.equal(short.images, long.images[:count])
    assert all(torch.equal(short.factors[name], long.factors[name][:count]) for name in FACTORS)


@given(count=st.integers(1, 300), seed=st.integers(0, 2**40))
@settings(max_examples=30)
def test_any_prefix_is_balanced_and_colours_differ(count: int, seed: int) -> None:
    factors = scenes._draw_factors(count, seed, len(SHAPES))
    for name in ("shape", "colour", "size", "outline", "position", "pattern"):
        numbers = np.bincount(factors[name], minlength=len(FACTORS[name]))
        assert numbers.max() - numbers.min() <= 1, name
    for a, b in (("colour", "ground"), ("colour", "tint"), ("ground", "tint")):
        assert (factors[a] != factors[b]).all()
    assert all(values.min() >= 0 and values.max() < len(FACTORS[name]) for name, values in factors.items())


def test_prefixes_across_chunks_are_stable(drawn: Scenes) -> None:
    assert torch.equal(generate(501, seed=5).images, drawn.images[:501])


def test_seeds_differ_and_order_is_shuffled(drawn: Scenes) -> None:
    other = generate(100, seed=6)
    assert not torch.equal(other.images, drawn.images[:100])
    assert not torch.equal(other.labels, drawn.labels[:100])
    assert len({tuple(block) for block in drawn.labels.reshape(-1, 10).tolist()}) > 90


def test_factors_are_independent(drawn: Scenes) -> None:
    # Cramer's V between any two factors stays near chance, but for those tied by construction: round shapes are
    # upright, and the three colours of a scene differ.
    for i, a in enumerate(FACTORS):
        for b in list(FACTORS)[i + 1 :]:
            if {a, b} == {"shape", "tilt"} or {a, b} <= {"colour", "ground", "tint"}:
                continue
            table = np.zeros((len(FACTORS[a]), len(FACTORS[b])))
            np.add.at(table, (drawn.factors[a].numpy(), drawn.factors[b].numpy()), 1)
            expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
            chi2 = ((table - expected) ** 2 / expected).sum()
            assert np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)) < 0.2, (a, b)


def test_round_shapes_are_upright(drawn: Scenes) -> None:
    is_round = torch.tensor([SHAPES[label] in ("circle", "ring") for label in drawn.labels])
    assert (drawn.factors["tilt"][is_round] == 0).all()
    assert (drawn.factors["tilt"][~is_round] > 0).float().mean() > 0.6


def test_colours_agree_with_pixels(drawn: Scenes) -> None:
    """Every scene holds pixels of its shape's colour; where a shape covers its centre they lie there."""
    palette = torch.tensor(list(PALETTE.values()))
    colour = palette[drawn.factors["colour"]]
    distance = (drawn.images.int() - colour[:, None, None, :]).abs().amax(dim=3)
    pure = (distance <= 12).flatten(1).float().mean(dim=1)
    assert pure.min() > 0.02
    # A large shape shows more of its colour than a small one, for each class.
    for label in range(len(SHAPES)):
        of_class = drawn.labels == label
        small, large = (pure[of_class & (drawn.factors["size"] == size)].mean() for size in (0, 2))
        assert large > 1.5 * small, SHAPES[label]


def test_position_agrees_with_pixels(drawn: Scenes) -> None:
    palette = torch.tensor(list(PALETTE.values()))
    distance = (drawn.images.int() - palette[drawn.factors["colour"]][:, None, None, :]).abs().amax(dim=3)
    mask = (distance <= 12).double()
    ticks = torch.arange(32, dtype=torch.float64) - 15.5
    across = (mask.sum(1) @ ticks) / mask.sum((1, 2))
    names = [FACTORS["position"][p] for p in drawn.factors["position"]]
    left = across[torch.tensor(["left" in name for name in names])]
    right = across[torch.tensor(["right" in name for name in names])]
    assert left.mean() < -2 < 2 < right.mean()
    assert (left < 0).float().mean() > 0.9


def test_ground_shows_more_than_tint(drawn: Scenes) -> None:
    palette = torch.tensor(list(PALETTE.values()))
    even = drawn.factors["pattern"] != FACTORS["pattern"].index("shading")
    shown = []
    for name in ("ground", "tint"):
        colour = palette[drawn.factors[name]][:, None, None, :]
        shown.append(((drawn.images.int() - colour).abs().amax(dim=3) <= 12).flatten(1).float().mean(dim=1)[even])
    assert shown[0].mean() > 1.3 * shown[1].mean()


def test_colours_of_the_palette_keep_apart() -> None:
    colours = torch.tensor(list(PALETTE.values())).double()
    distances = torch.cdist(colours, colours)[~torch.eye(len(colours), dtype=torch.bool)]
    assert distances.min() > 102


def test_contours_are_distinct_and_of_radius_one() -> None:
    for contour in scenes._CONTOURS:
        assert np.linalg.norm(contour, axis=1).max() == pytest.approx(1)
    rows = np.full((1, 20), 0.5)[0]
    scene = {"size": 1, "tilt": 0, "position": 0, "outline": 0, "pattern": 9}
    maps = [scenes._label_map({**scene, "shape": label}, rows, 32) == 3 for label in range(len(SHAPES))]
    for i, a in enumerate(maps):
        for b in maps[i + 1 :]:
            assert (a ^ b).sum() > 0.15 * max(a.sum(), b.sum())


def test_caption_in_full_and_in_parts() -> None:
    names = "heart red small upright white", "top left", "blue", "stripes", "pink"
    shape, colour, size, tilt, outline = names[0].split()
    values = dict(zip(FACTORS, [shape, colour, size, tilt, outline, *names[1:]], strict=True))
    factors = {name: FACTORS[name].index(value) for name, value in values.items()}
    assert caption(factors, list(FACTORS)) == (
        "a small red heart upright with a white outline at the top left on blue with pink stripes"
    )
    assert caption(factors, ["pattern", "shape"]) == "a heart with stripes"
    assert caption(factors, ["tint", "colour"]) == "a red shape with pink patterns"
    assert caption({"outline": 0}, ["outline"]) == "a shape with no outline"
    assert caption({}, []) == "a shape"
    assert class_prompt(9) == "a heart"


@given(data=st.data())
def test_captions_name_the_given_values_and_no_other_colour(data: st.DataObject) -> None:
    factors = {name: data.draw(st.integers(0, len(values) - 1)) for name, values in FACTORS.items()}
    names = data.draw(st.lists(st.sampled_from(sorted(FACTORS)), unique=True))
    words = f" {caption(factors, names)} "
    for name in names:
        assert f" {FACTORS[name][factors[name]]} " in words
    told = sum(words.split().count(colour) for colour in PALETTE)
    assert told == len({"colour", "ground", "tint"} & set(names))


@pytest.mark.parametrize(
    ("factors", "names", "message"),
    [
        ({"shape": 0}, ["mood"], "factor is 'mood'"),
        ({"shape": 10}, ["shape"], "shape is 10; allowed: 0 to 9"),
        ({}, ["shape"], "lacks 'shape'"),
    ],
)
def test_caption_refuses(factors: dict[str, int], names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        caption(factors, names)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("count", (0, 0, 32)), ("seed", (1, -1, 32)), ("side", (1, 0, 8))],
)
def test_generate_refuses(name: str, arguments: tuple[int, int, int]) -> None:
    count, seed, side = arguments
    with pytest.raises(InputError, match=f"{name} is"):
        generate(count, seed=seed, side=side)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_some_classes_only(classes: int) -> None:
    some = generate(60, seed=3, classes=classes)
    assert some.labels.bincount(minlength=classes).tolist() == [60 // classes] * classes
    every = generate(60, seed=3)
    assert torch.equal(some.factors["colour"], every.factors["colour"])
    assert torch.equal(generate(30, seed=3, classes=classes).images, some.images[:30])
    with pytest.raises(InputError, match="classes is 11; allowed: 1, 2"):
        generate(10, seed=3, classes=11)
