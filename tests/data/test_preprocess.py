"""Preprocessing against Pillow and torchvision, which define it, and the properties of the augmentation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torchvision import transforms

from asymdistill.data.preprocess import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    clip_preprocess,
    normalise,
    random_crop_flip,
    resize,
)
from asymdistill.runtime.errors import InputError


def noise(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def scenery(count: int, height: int, width: int) -> torch.Tensor:
    """Smooth gradients, hard-edged shapes in saturated colours and a fine texture."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    pictures = []
    for _ in range(count):
        slopes = rng.uniform(-200, 200, (2, 3))
        smooth = 128 + y[..., None] * slopes[0] + x[..., None] * slopes[1]
        picture = Image.fromarray(smooth.clip(0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        left, top = rng.uniform(0, width / 2), rng.uniform(0, height / 2)
        draw.ellipse((left, top, left + width / 3, top + height / 3), fill=(255, 0, 40))
        draw.rectangle((width / 2, height / 2, width, height), fill=(255, 255, 255), outline=(0, 0, 0))
        texture = 12 * np.sin(40 * x + 30 * y)[..., None]
        pictures.append((np.asarray(picture) + texture).clip(0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(pictures))


def pillow_resize(
    images: torch.Tensor, resolution: int, interpolation: str = "bicubic", crop: float = 1.0, mode: str = "shortest"
) -> np.ndarray:
    """Resize and crop with Pillow, image by image, as torchvision's pipeline does."""
    side = math.floor(resolution / crop)
    size = (side, side) if mode == "squash" else side
    both = transforms.Compose(
        [transforms.Resize(size, transforms.InterpolationMode(interpolation)), transforms.CenterCrop(resolution)]
    )
    return np.stack([np.asarray(both(Image.fromarray(image.numpy()))) for image in images]).transpose(0, 3, 1, 2)


SIZES = [
    (32, 32, 224),
    (32, 32, 37),
    (64, 64, 32),
    (100, 100, 7),
    (48, 33, 224),
    (33, 48, 64),
    (61, 100, 32),
    (100, 40, 32),
    (250, 333, 224),
    (35, 64, 32),
    (3, 5, 17),
    (1, 1, 8),
]


@pytest.mark.parametrize("picture", [noise, scenery])
@pytest.mark.parametrize(("height", "width", "resolution"), SIZES)
def test_resize_is_pillow_to_the_grey_level(picture, height, width, resolution):
    images = picture(10, height, width)
    ours = resize(images, resolution)
    assert ours.dtype == torch.uint8
    np.testing.assert_array_equal(ours.numpy(), pillow_resize(images, resolution))


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("crop", [1.0, 0.95, 0.875])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("height", "width", "resolution"), [*SIZES, (300, 40, 64), (37, 48, 32)])
def test_every_recipe_is_pillow_to_the_grey_level(interpolation, crop, mode, height, width, resolution):
    for images in (noise(2, height, width), scenery(2, height, width)):
        ours = resize(images, resolution, interpolation=interpolation, crop=crop, resize_mode=mode)
        np.testing.assert_array_equal(ours.numpy(), pillow_resize(images, resolution, interpolation, crop, mode))


def test_square_resize_is_plain_pillow():
    images = scenery(3, 32, 32)
    direct = [np.asarray(Image.fromarray(i.numpy()).resize((224, 224), Image.Resampling.BICUBIC)) for i in images]
    np.testing.assert_array_equal(resize(images, 224).numpy(), np.stack(direct).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 45), (46, 32)])
def test_native_resolution_only_crops(height, width):
    images = noise(4, height, width)
    np.testing.assert_array_equal(resize(images, 32).numpy(), pillow_resize(images, 32))
    if height == width:
        assert torch.equal(resize(images, 32), images.permute(0, 3, 1, 2))


@pytest.mark.parametrize(("mean", "std"), [(CLIP_MEAN, CLIP_STD), (IMAGENET_MEAN, IMAGENET_STD)])
@pytest.mark.parametrize(("height", "width", "resolution"), [(32, 32, 224), (32, 32, 32), (96, 64, 48)])
def test_clip_preprocess_is_the_torchvision_pipeline(mean, std, height, width, resolution):
    pipeline = transforms.Compose(
        [
            transforms.Resize(resolution, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(resolution),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    images = scenery(5, height, width)
    expected = torch.stack([pipeline(Image.fromarray(image.numpy())) for image in images])
    ours = clip_preprocess(images, resolution, mean=mean, std=std)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_defaults_are_clips():
    images = noise(2, 32, 32)
    assert torch.equal(clip_preprocess(images), normalise(resize(images, 224), CLIP_MEAN, CLIP_STD))


def test_autocast_changes_nothing():
    images = noise(2, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = resize(images, 224)
    assert torch.equal(inside, resize(images, 224))


def test_batching_changes_nothing():
    images = noise(21, 32, 32)
    one_by_one = torch.cat([resize(images[i : i + 1], 50) for i in range(21)])
    assert torch.equal(resize(images, 50), one_by_one)


def test_no_images_give_no_images():
    assert clip_preprocess(noise(0, 32, 32), 64).shape == (0, 3, 64, 64)


def test_input_is_left_alone():
    images = noise(2, 32, 32)
    before = images.clone()
    clip_preprocess(images, 32).zero_()
    clip_preprocess(images, 64).zero_()
    assert torch.equal(images, before)


@settings(max_examples=40)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    resolution=st.integers(1, 60),
)
def test_a_constant_image_stays_constant(colour, height, width, resolution):
    flat = torch.tensor(colour, dtype=torch.uint8).expand(1, height, width, 3)
    resized = resize(flat, resolution)
    assert resized.shape == (1, 3, resolution, resolution)
    assert torch.equal(resized, flat[:, 0, 0, :, None, None].expand_as(resized))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), size=st.integers(2, 40), resolution=st.integers(2, 60))
def test_resizing_commutes_with_mirroring(seed, size, resolution):
    """To one grey level: a value of exactly one half rounds up on both sides of the mirror, tap sums included."""
    images = noise(1, size, size, seed)
    mirrored = resize(images.flip(2), resolution).int()
    assert (mirrored - resize(images, resolution).flip(3).int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 32, 32, 3), "uint8"),
        (np.zeros((2, 32, 32, 3), dtype=np.uint8), "uint8"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "N x H x W x 3"),
        (torch.zeros(32, 32, 3, dtype=torch.uint8), "N x H x W x 3"),
        (torch.zeros(2, 0, 32, 3, dtype=torch.uint8), "at least one pixel"),
    ],
)
def test_wrong_images_are_refused(images, message):
    with pytest.raises(InputError, match=f"^images .*{message}"):
        clip_preprocess(images)


@pytest.mark.parametrize("resolution", [0, -3, 224.0, "224"])
def test_wrong_resolutions_are_refused(resolution):
    with pytest.raises(InputError, match=r"^resolution"):
        resize(noise(1, 32, 32), resolution)


@pytest.mark.parametrize(
    ("name", "values"),
    [("mean", (0.5, 0.5)), ("mean", (0.5, 0.5, float("nan"))), ("std", (1.0, 1.0, 0.0)), ("std", (1.0, -1.0, 1.0))],
)
def test_wrong_statistics_are_refused(name, values):
    with pytest.raises(InputError, match=f"^{name}"):
        clip_preprocess(noise(1, 8, 8), 8, **{name: values})


def test_normalise_refuses_other_layouts():
    with pytest.raises(InputError, match=r"^images .*N x 3 x H x W"):
        normalise(noise(1, 8, 8))
    with pytest.raises(InputError, match=r"^images .*uint8"):
        normalise(torch.rand(1, 3, 8, 8))


def crop_flip(images: torch.Tensor, seed: int = 0, padding: int = 4) -> torch.Tensor:
    return random_crop_flip(images, generator=torch.Generator().manual_seed(seed), padding=padding)


def test_augmentation_follows_its_generator():
    images = noise(16, 32, 32)
    assert torch.equal(crop_flip(images), crop_flip(images))
    assert not torch.equal(crop_flip(images), crop_flip(images, seed=1))
    generator = torch.Generator().manual_seed(0)
    first, second = (random_crop_flip(images, generator=generator) for _ in range(2))
    assert not torch.equal(first, second)


def windows_of(image: np.ndarray, padding: int) -> dict[bytes, tuple[int, int, bool]]:
    """Return every window that cropping and mirroring can give, by its bytes."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    windows = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            window = padded[top : top + height, left : left + width]
            windows[window.tobytes()] = (top, left, False)
            windows[window[:, ::-1].tobytes()] = (top, left, True)
    return windows


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), height=st.integers(4, 12), width=st.integers(4, 12), padding=st.integers(0, 3))
def test_every_output_is_a_window_of_its_own_padded_image(seed, height, width, padding):
    images = noise(6, height, width, seed)
    outputs = crop_flip(images, seed, padding)
    assert outputs.shape == images.shape
    assert outputs.dtype == torch.uint8
    for image, output in zip(images.numpy(), outputs.numpy(), strict=True):
        assert output.tobytes() in windows_of(image, padding)


def test_all_windows_are_equally_likely():
    image = noise(1, 6, 6)
    windows = windows_of(image[0].numpy(), padding=1)
    draws = crop_flip(image.expand(18_000, -1, -1, -1), padding=1)
    counts = dict.fromkeys(windows.values(), 0)
    for draw in draws.numpy():
        counts[windows[draw.tobytes()]] += 1
    assert len(counts) == 18
    # 18 cells of 1,000 each: chi-square with 17 degrees of freedom passes 40.8 once in a thousand
    assert sum((n - 1000) ** 2 / 1000 for n in counts.values()) < 40.8


def test_without_padding_only_the_mirror_is_left():
    images = noise(50, 5, 5)
    outputs = crop_flip(images, padding=0)
    same = (outputs == images).flatten(1).all(1)
    mirrored = (outputs == images.flip(2)).flatten(1).all(1)
    assert bool((same | mirrored).all())
    assert bool(same.any())
    assert bool(mirrored.any())


def test_augmentation_refuses_bad_input():
    generator = torch.Generator()
    with pytest.raises(InputError, match=r"^images"):
        random_crop_flip(torch.rand(1, 8, 8, 3), generator=generator)
    for padding in (-1, 1.5):
        with pytest.raises(InputError, match=r"^padding"):
            random_crop_flip(noise(1, 8, 8), generator=generator, padding=padding)
    with pytest.raises(InputError, match=r"^generator"):
        random_crop_flip(noise(1, 8, 8), generator=None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"interpolation": "lanczos"}, "interpolation"),
        ({"resize_mode": "longest"}, "resize_mode"),
        ({"crop": 0.0}, "crop is 0.0; it must be greater than 0 and at most 1"),
        ({"crop": 1.15}, "crop is 1.15; "),
        ({"crop": float("nan")}, "crop is nan; "),
    ],
)
def test_wrong_recipes_are_refused(option, message):
    with pytest.raises(InputError, match=message):
        resize(noise(1, 32, 32), 16, **option)
