"""Every form of every file, made small here and as it really is where the samples lie; and every way to be damaged."""

import gzip
import hashlib
import os
import pickle
import struct

import numpy as np
import pytest

from halflife.lab import StudyError
from halflife.lab.problems.files import (
    CIFAR10,
    CIFAR100,
    data_folder,
    read_cifar,
    read_fashion_mnist,
    read_idx,
    read_shakespeare,
)
from halflife.lab.problems.files import archives as archives_module

from .data_files import (
    cifar10_folder,
    cifar_binary,
    cifar_images,
    cifar_pickle,
    fashion_folder,
    idx,
    real,
)


@pytest.mark.parametrize("place", ["", "cifar-10-batches-bin"])
def test_cifar10_in_binary_form(tmp_path, place):
    folder = cifar10_folder(tmp_path / place, per_class=3, files=3)
    found = read_cifar(CIFAR10, tmp_path)
    parts = [cifar_images(30, 10, seed=i) for i in (1, 2, 3)]
    np.testing.assert_array_equal(found.train.pixels, np.concatenate([pixels for pixels, _ in parts]))
    np.testing.assert_array_equal(found.train.labels, np.concatenate([labels for _, labels in parts]))
    content = (
        folder / "test_batch.bin"
    ).read_bytes()  # by the format's definition: label, red, green, blue, row by row
    for image in (0, 7):
        record = content[3073 * image : 3073 * (image + 1)]
        assert found.test.labels[image] == record[0]
        for channel, row, column in ((0, 0, 0), (1, 5, 9), (2, 31, 30)):
            assert found.test.pixels[image, channel, row, column] == record[1 + 1024 * channel + 32 * row + column]


def test_cifar100_takes_the_fine_labels_of_both_forms(tmp_path):
    pixels, labels = cifar_images(200, 100)
    coarse = labels // 5
    for stem, form in (("train", slice(0, 100)), ("test", slice(100, 200))):
        for folder, ending, content in (
            ("cifar-100-binary", ".bin", cifar_binary(pixels[form], labels[form], coarse[form])),
            ("cifar-100-python", "", cifar_pickle(pixels[form], labels[form], "fine_labels")),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{stem}{ending}").write_bytes(content)
    binary, python = read_cifar(CIFAR100, tmp_path), read_cifar(CIFAR100, tmp_path / "cifar-100-python")
    for found in (binary, python):
        np.testing.assert_array_equal(found.train.pixels, pixels[:100])
        np.testing.assert_array_equal(found.test.labels, labels[100:])


def test_cifar10_in_python_form(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, seed in (("data_batch_1", 1), ("data_batch_4", 4), ("test_batch", 9)):
        (folder / name).write_bytes(cifar_pickle(*cifar_images(20, 10, seed)))
    assert b"numpy.core.multiarray" in (folder / "test_batch").read_bytes(), "the official files spell it so"
    found = read_cifar(CIFAR10, tmp_path)
    assert (len(found.train), len(found.test)) == (40, 20)
    np.testing.assert_array_equal(found.train.pixels[20:], cifar_images(20, 10, 4)[0])
    np.testing.assert_array_equal(found.train.labels[:20], cifar_images(20, 10, 1)[1])


class Payload:
    def __reduce__(self):
        return os.system, ("echo ran > ran",)


def test_a_pickle_that_would_run_something_is_refused_unrun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(cifar_pickle(*cifar_images(10, 10)))
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Payload(), "labels": [1]}, protocol=2))
    with pytest.raises(StudyError, match=r"test_batch is truncated or no batch of CIFAR's.*system"):
        read_cifar(CIFAR10, tmp_path)
    assert not (tmp_path / "ran").exists()


PIXELS, LABELS = cifar_images(10, 10)
PICKLE = cifar_pickle(PIXELS, LABELS)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "test_batch.bin",
            cifar_binary(PIXELS, LABELS)[:-1],
            r"test_batch.bin is truncated .* 3073 bytes; fetch it again",
        ),
        ("test_batch.bin", cifar_binary(PIXELS, LABELS + 1), "has the label 10 at image 9, but labels run from 0 to 9"),
        ("test_batch.bin", b"", "holds no image"),
        ("test_batch", PICKLE[:-100], "test_batch is truncated or no batch"),
        ("test_batch", b"no pickle", "test_batch is truncated or no batch"),
        ("test_batch", cifar_pickle(PIXELS, LABELS, "fine_labels"), "no entry 'labels'"),
        ("test_batch", cifar_pickle(PIXELS[:, :2], LABELS), r"shape \[10, 2048\], but CIFAR-10's is \[images, 3072\]"),
        ("test_batch", cifar_pickle(PIXELS, LABELS[:-1]), "has 9 labels for 10 images"),
    ],
)
def test_a_damaged_cifar_file_is_named(tmp_path, name, content, sentence):
    train = name.replace("test_batch", "data_batch_1")
    (tmp_path / train).write_bytes(cifar_binary(PIXELS, LABELS) if name.endswith(".bin") else PICKLE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=sentence) as caught:
        read_cifar(CIFAR10, tmp_path)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("lacking", ["test_batch.bin", "data_batch_"])
def test_a_part_of_cifar_that_is_no_whole_is_refused_before_any_download(tmp_path, lacking):
    for path in cifar10_folder(tmp_path / "cifar-10-batches-bin").iterdir():
        if path.name.startswith(lacking):
            path.unlink()
    with pytest.raises(StudyError, match=r"has only a part of CIFAR-10: it takes test_batch.bin and at least one of"):
        read_cifar(CIFAR10, tmp_path)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_wherever_and_however_it_lies(tmp_path, place, packed):
    folder = fashion_folder(tmp_path / place, packed=packed)
    found = read_fashion_mnist(tmp_path)
    assert found.train.pixels.shape == found.test.pixels.shape == (40, 1, 28, 28)
    assert found.train.labels.tolist() == [i % 10 for i in range(40)]
    path = folder / f"t10k-images-idx3-ubyte{'.gz' if packed else ''}"
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    assert found.test.pixels[3, 0, 20, 7] == content[16 + 3 * 784 + 20 * 28 + 7]


GOOD = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a", GOOD[:-1], "truncated or damaged: it says that it holds 3×4 bytes, but holds 11"),
        ("a", GOOD + b"x", "holds 3×4 bytes, but holds 13"),
        ("a", GOOD[:9], "truncated|begin"),
        ("a", b"", r"does not begin as .* \(00000802\), but with nothing"),
        ("a", b"\0\0\x0d\x02" + GOOD[4:], "but with 00000d02"),
        ("a", idx(np.zeros(12, np.uint8)), "in 2 dimensions"),
        ("a", struct.pack("<4B", 2, 8, 0, 0) + GOOD[4:], "does not begin"),
        ("a.gz", gzip.compress(GOOD, mtime=0)[:-9], "cannot be unpacked"),
        ("a.gz", gzip.compress(GOOD, mtime=0)[:12] + b"\xff" * 20, "cannot be unpacked"),
        ("a.gz", GOOD, "cannot be unpacked"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StudyError, match=sentence) as caught:
        read_idx(path, 2)
    assert str(path) in str(caught.value)


def test_labels_must_fit_the_images(tmp_path):
    folder = fashion_folder(tmp_path, packed=False)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(39, np.uint8)))
    with pytest.raises(StudyError, match="39 labels for 40 images"):
        read_fashion_mnist(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.full(40, 10, np.uint8)))
    with pytest.raises(StudyError, match="label 10 at image 0, but labels run from 0 to 9"):
        read_fashion_mnist(tmp_path)


def test_a_text_must_be_one(tmp_path):
    (tmp_path / "input.txt").write_bytes("Speak, speak. é".encode("latin1"))
    with pytest.raises(StudyError, match="no text in UTF-8"):
        read_shakespeare(tmp_path)
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text("Speak, speak. é", encoding="utf-8")
    assert read_shakespeare(tmp_path) == "Speak, speak. é"


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").write_bytes(GOOD)
    monkeypatch.setattr(type(tmp_path), "read_bytes", denied)
    with pytest.raises(StudyError, match="a cannot be read: Permission denied"):
        read_idx(tmp_path / "a", 2)


def test_the_folder_is_the_one_given_then_the_variables_then_the_cache(tmp_path, monkeypatch):
    given, named = tmp_path / "given", tmp_path / "named"
    monkeypatch.setenv("HALFLIFE_DATA", str(named))
    with pytest.raises(StudyError, match=r"HALFLIFE_DATA names the folder .*named, which does not exist"):
        data_folder()
    with pytest.raises(StudyError, match=r"--data-dir names the folder .*given, which does not exist"):
        data_folder(given)
    given.mkdir()
    named.mkdir()
    assert (data_folder(given), data_folder(str(given)), data_folder()) == (given, given, named)
    monkeypatch.delenv("HALFLIFE_DATA")
    assert "halflife" in data_folder().name


def test_the_real_fashion_mnist_has_the_published_checksums():
    folder = real("fashion-mnist") / "fashion-mnist"
    for path in folder.glob("*.gz"):
        archive = archives_module.ARCHIVES[path.name]
        assert archive.checksum == "md5:" + hashlib.md5(path.read_bytes()).hexdigest()
        assert archive.url.endswith(path.name)
    found = read_fashion_mnist(folder.parent)
    assert (found.train.pixels.shape, found.test.pixels.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert np.bincount(found.train.labels).tolist() == [6000] * 10
    assert found.train.pixels.mean() / 255 == pytest.approx(0.2860, abs=1e-4)  # published with the data
    assert found.train.pixels.std() / 255 == pytest.approx(0.3530, abs=1e-4)


def test_the_real_shakespeare_has_its_checksum():
    folder = real("tinyshakespeare")
    content = (folder / "tinyshakespeare" / "input.txt").read_bytes()
    assert archives_module.ARCHIVES["input.txt"].checksum == "sha256:" + hashlib.sha256(content).hexdigest()
    text = read_shakespeare(folder)
    assert (len(text), len(set(text))) == (1115394, 65)
    assert text.startswith("First Citizen:\nBefore we proceed any further")


def test_the_real_part_of_cifar10_is_read():
    folder = real("cifar-10-batches-bin")
    found = read_cifar(CIFAR10, folder)
    assert (found.train.pixels.shape, found.test.pixels.shape) == ((20000, 3, 32, 32), (5000, 3, 32, 32))
    assert np.bincount(found.train.labels).tolist() == [2000] * 10
    assert np.bincount(found.test.labels).tolist() == [500] * 10
    means = found.train.pixels.mean((0, 2, 3)) / 255  # the whole training set's are published: 0.4914, 0.4822, 0.4465
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.005)
    planes = found.train.pixels[:500].astype(float)  # neighbours in a row and in a column are alike: no mixed-up axes
    assert np.abs(np.diff(planes, axis=3)).mean() < 20
    assert np.abs(np.diff(planes, axis=2)).mean() < 20
    assert np.abs(np.diff(planes, axis=1)).mean() < 30
