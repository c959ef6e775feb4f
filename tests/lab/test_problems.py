"""What a problem is made of the files: parts, pixels, crops, windows, words."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from halflife.lab import StudyError
from halflife.lab.problems import (
    FROM_FILES,
    PROBLEMS,
    cifar,
    digits,
    fashion_mnist,
    problem_named,
    shakespeare,
)

from .data_files import cifar10_folder, cifar_images, fashion_folder, real

TEXT = "".join(chr(ord("a") + (i * i // 7) % 26) for i in range(2001))


@pytest.fixture
def data(tmp_path):
    cifar10_folder(tmp_path / "cifar-10-batches-bin", per_class=20, files=2)
    fashion_folder(tmp_path / "fashion-mnist", n=200)
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def pictures(split):
    return [image.tobytes() for image in split.inputs.numpy()]


def test_the_parts_do_not_overlap_and_are_what_was_read(data):
    problem = cifar(train=200, data_dir=data)
    assert [len(split) for split in (problem.train, problem.val, problem.test)] == [200, 40, 20]
    train, val = set(pictures(problem.train)), set(pictures(problem.val))
    assert len(train) == 200
    assert len(val) == 40
    assert not train & val
    assert not (train | val) & set(pictures(problem.test))
    pixels = np.concatenate([cifar_images(200, 10, seed)[0] for seed in (1, 2)])
    labels = np.concatenate([cifar_images(200, 10, seed)[1] for seed in (1, 2)])
    known = {image.tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    whole = cifar(data_dir=data)
    raw = denormalized(whole, pixels)
    chosen = np.stack([np.frombuffer(key, np.uint8) for key in raw]).reshape(-1, 3, 32, 32) / 255
    mean, deviation = chosen.mean((0, 2, 3)), chosen.std((0, 2, 3))
    again = (chosen - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(whole.train.inputs, torch.tensor(again, dtype=torch.float32), rtol=1e-4, atol=1e-5)
    assert [known[key] for key in raw] == whole.train.targets.tolist()


def denormalized(problem, pixels):
    """Which of the images as they were read each training image is: by its pixels' order, which is no less exact."""
    by_order = {np.argsort(image.reshape(3, -1)[0], kind="stable")[:40].tobytes(): image for image in pixels}
    order = [
        np.argsort(image.numpy().reshape(3, -1)[0], kind="stable")[:40].tobytes() for image in problem.train.inputs
    ]
    return [by_order[key].tobytes() for key in order]


def test_all_is_normalized_by_the_training_images(data):
    problem = cifar(data_dir=data)
    for statistic, wanted in ((problem.train.inputs.mean((0, 2, 3)), 0), (problem.train.inputs.std((0, 2, 3)), 1)):
        torch.testing.assert_close(statistic, torch.full((3,), float(wanted)), rtol=0, atol=1e-4)
    assert problem.val.inputs.mean((0, 2, 3)).abs().max() > 1e-5
    assert problem.train.inputs.dtype == torch.float32
    assert problem.train.targets.dtype == torch.int64


def test_every_part_has_all_classes_evenly_and_does_not_depend_on_the_number_to_train_on(data):
    few, many = (cifar(train=n, val=30, data_dir=data) for n in (50, 370))
    for split, each in ((few.train, 5), (few.val, 3), (many.train, 37), (many.test, 2)):
        assert split.targets.bincount().tolist() == [each] * 10
    assert torch.equal(few.val.targets, many.val.targets)
    assert abs(few.val.inputs - many.val.inputs).max() < 0.2, "the same images, normalized by other training images"
    assert cifar(train=55, data_dir=data).train.targets.bincount().sort().values.tolist() == [5] * 5 + [6] * 5


def test_smaller_images_are_averages(data):
    large, small = (cifar(train=100, size=size, data_dir=data) for size in (32, 16))
    assert small.train.inputs.shape == (100, 3, 16, 16)
    averaged = large.train.inputs.reshape(100, 3, 16, 2, 16, 2).mean((3, 5))
    torch.testing.assert_close(
        small.train.inputs, averaged / averaged.std((0, 2, 3), keepdim=True), rtol=1e-2, atol=1e-3
    )
    assert isinstance(small.augment, partial)
    assert (small.augment.keywords, large.augment.keywords) == ({"pad": 2}, {"pad": 4})


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"classes": 20}, "CIFAR has 10 or 100 classes, not 20"),
        ({"train": 381, "val": 20}, "cifar10's training set has 400 images, too few for the 401 asked for"),
        ({"test": 21}, "cifar10's test set has 20 images, too few for the 21"),
        ({"train": 0}, "at least 1 image"),
        ({"val": 400}, "at least 1 image"),
        ({"size": 12}, r"images of 32 pixels cannot be averaged to 12; choose among 1, 2, 4, 8, 16, 32"),
        ({"size": 64}, "cannot be averaged to 64"),
    ],
)
def test_what_cannot_be_is_refused(data, asked, sentence):
    with pytest.raises(StudyError, match=sentence):
        cifar(**asked, data_dir=data)


def test_the_description_says_how_many_were_read(data):
    assert (
        "read 400 of 50,000 training and 20 of 10,000 test images; 360 to train on, 40 others"
        in cifar(data_dir=data).description
    )


def test_files_are_read_once_a_process(data):
    first = fashion_mnist(data_dir=data)
    for path in (data / "fashion-mnist").iterdir():
        path.unlink()
    assert fashion_mnist(data_dir=data) is first


def test_fashion_mnist_is_grey_and_not_augmented(data):
    problem = fashion_mnist(train=100, size=14, data_dir=data)
    assert problem.train.inputs.shape == (100, 1, 14, 14)
    assert problem.augment is None
    assert problem.chance == pytest.approx(0.9)


def test_noise_redraws_labels_to_train_on_and_nothing_else(data):
    clean, noisy = (fashion_mnist(train=150, size=14, noise=noise, data_dir=data) for noise in (0.0, 0.5))
    assert torch.equal(clean.train.inputs, noisy.train.inputs)
    assert (clean.train.targets != noisy.train.targets).float().mean().item() == pytest.approx(0.45, abs=0.08)
    assert torch.equal(clean.val.targets, noisy.val.targets)
    assert torch.equal(clean.test.targets, noisy.test.targets)
    assert "150 to train on, 50% of their labels randomized" in noisy.description
    with pytest.raises(StudyError, match="noise is a share of the labels, from 0 to 1, but 30 was given"):
        fashion_mnist(noise=30, data_dir=data)


# Text


def test_windows_are_the_text_and_the_targets_one_character_on(data):
    problem = shakespeare(window=25, data_dir=data)
    letters = sorted(set(TEXT))
    spell = lambda numbers: "".join(letters[i] for i in numbers.flatten().tolist())  # noqa: E731
    parts = TEXT[:1801], TEXT[1801:1901], TEXT[1901:]
    for split, part in zip((problem.train, problem.val, problem.test), parts, strict=True):
        span = split.inputs.numel()
        assert split.inputs.shape == split.targets.shape == ((len(part) - 1) // 25, 25)
        assert (spell(split.inputs), spell(split.targets)) == (part[:span], part[1 : span + 1])
    assert problem.chance == pytest.approx(math.log(len(letters)))
    assert f"read 2,001 characters, {len(letters)} of them distinct" in problem.description


def test_the_error_of_a_text_is_nats(data):
    problem = shakespeare(window=25, train=5, val=3, test=2, data_dir=data)
    outputs = torch.randn(3, 25, len(set(TEXT)))
    by_hand = [
        sum(-math.log(outputs[w, t].softmax(0)[problem.val.targets[w, t]].item()) for t in range(25)) / 25
        for w in range(3)
    ]
    assert problem.error(outputs, problem.val.targets).tolist() == pytest.approx(by_hand, rel=1e-5)
    assert problem.loss(outputs, problem.val.targets).item() == pytest.approx(sum(by_hand) / 3, rel=1e-5)
    guess = problem.error(torch.zeros_like(outputs), problem.val.targets)
    assert guess.tolist() == pytest.approx([problem.chance] * 3)
    with pytest.raises(StudyError, match=r"cannot give 5 windows of 25 characters: a part of its text .* has 3"):
        shakespeare(window=25, val=5, data_dir=data)
    with pytest.raises(StudyError, match="or for shorter windows"):
        shakespeare(window=200, data_dir=data)


# All of them


def test_a_problem_is_found_by_its_name(data, monkeypatch):
    with pytest.raises(
        StudyError, match="problem 'chess' is not known; choose among digits, ridge, ridge-noiseless, fashion-mnist"
    ):
        problem_named("chess")
    assert problem_named("digits", data).fingerprint == digits().fingerprint
    assert problem_named("cifar10", data) is cifar(data_dir=data)
    monkeypatch.setenv("HALFLIFE_DATA", str(data))
    assert PROBLEMS["cifar10"]() is cifar(data_dir=data)
    assert set(FROM_FILES) | {"digits", "ridge", "ridge-noiseless"} == set(PROBLEMS)


FOLDERS = {"fashion-mnist": "fashion-mnist", "cifar10": "cifar-10-batches-bin", "shakespeare": "tinyshakespeare"}


def family_of(name):
    return name.removesuffix("-small").removesuffix("-noisy").removesuffix("-noiseless")


@pytest.mark.parametrize("name", [name for name in PROBLEMS if family_of(name) in (*FOLDERS, "digits", "ridge")])
def test_a_real_problem_has_a_model_that_a_loss_can_be_taken_of(name):
    family = family_of(name)
    problem = problem_named(name, real(FOLDERS[family]) if family in FOLDERS else None)
    assert problem.name == name
    torch.manual_seed(0)
    model = problem.model()
    batch = problem.train.inputs[:6]
    if problem.augment:
        batch = problem.augment(batch, torch.Generator().manual_seed(0))
    outputs = model(batch)
    loss, errors = problem.loss(outputs, problem.train.targets[:6]), problem.error(outputs, problem.train.targets[:6])
    loss.backward()
    assert errors.shape == (6,)
    assert (errors >= 0).all()
    assert all(weight.grad.abs().max() > 0 for weight in model.parameters())
    assert problem.fingerprint == problem_named(name, real(FOLDERS[family]) if family in FOLDERS else None).fingerprint
