"""What is fetched from where: official addresses, and the checksums published for them."""

from __future__ import annotations

from typing import NamedTuple


class Archive(NamedTuple):
    """A file to fetch; ``checksum`` is ``algorithm:hexadecimal``."""

    name: str
    url: str
    checksum: str


_CIFAR = "https://www.cs.toronto.edu/~kriz"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare"


def _fashion(name: str, md5: str) -> Archive:
    return Archive(name, f"{_FASHION}/{name}", f"md5:{md5}")


ARCHIVES: dict[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive("cifar-10-binary.tar.gz", f"{_CIFAR}/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"),
        Archive("cifar-100-binary.tar.gz", f"{_CIFAR}/cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8"),
        _fashion("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _fashion("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        _fashion("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        _fashion("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        Archive(
            "input.txt",
            f"{_SHAKESPEARE}/input.txt",
            "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    )
}
"""By file name. The MD5s are those on the data's own pages (CIFAR: cs.toronto.edu/~kriz/cifar.html; Fashion-MNIST:
github.com/zalandoresearch/fashion-mnist); tiny-Shakespeare has none published, so its is of the repository's file.

CIFAR is taken in its binary form: reading the other one, Python's pickles, means to run what is in them.
"""
