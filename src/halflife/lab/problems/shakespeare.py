"""Tiny-Shakespeare: which character comes next?"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from functools import lru_cache, partial
from math import log
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..errors import StudyError
from ..models import transformer
from .files import data_folder, read_shakespeare
from .problem import Problem, Split

SHARES = (0.9, 0.95)
"""Where the text is cut: nine tenths to train on, then a twentieth to validate, then a twentieth to test."""


def shakespeare(
    name: str = "shakespeare",
    *,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    window: int = 64,
    width: int = 128,
    depth: int = 4,
    data_dir: str | Path | None = None,
) -> Problem:
    """Prediction of each next character in windows of ``window`` characters, with a decoder transformer.

    Inputs and targets are numbers of characters, int64 of shape ``[windows, window]``, the targets one further; the
    windows do not overlap. The error of a sample is the mean cross-entropy over its window in nats, 4.17 for a guess
    among 65 characters. The text is read once a process.
    Source: Karpathy 2015, char-rnn. Deviations: 90/5/5 % (there 95/5/0), windows at fixed places.

    Args:
        name: the problem's.
        train, val, test: numbers of windows, the first ones of their part of the text; None is all.
        window: in characters.
        width, depth: the transformer's.
        data_dir: as in ``data_folder``.

    Returns:
        The problem.

    Raises:
        StudyError: for more windows than there are, and where the file can be neither read nor fetched.

    Example:
        >>> from halflife.lab.problems import PROBLEMS
        >>> PROBLEMS["shakespeare-small"].keywords  # what a study on two cores gives to it
        {'train': 4000, 'val': 1000, 'test': 1000, 'window': 32, 'width': 64, 'depth': 2}
    """
    return _shakespeare(name, (train, val, test), window, width, depth, data_folder(data_dir))


@lru_cache(maxsize=2)
def _shakespeare(
    name: str, sizes: tuple[int | None, int | None, int | None], window: int, width: int, depth: int, folder: Path
) -> Problem:
    text = read_shakespeare(folder)
    letters = sorted(set(text))
    number = {letter: i for i, letter in enumerate(letters)}
    coded = torch.tensor([number[letter] for letter in text])
    cuts = [round(share * len(text)) for share in SHARES]
    train, val, test = (
        _windows(part, window, size, name) for part, size in zip(coded.tensor_split(cuts), sizes, strict=True)
    )
    return Problem(
        name=name,
        description=f"tiny-Shakespeare: read {len(text):,} characters, {len(letters)} of them distinct; windows of "
        f"{window}: {len(train):,} to train on, {len(val):,} to validate, {len(test):,} to test",
        train=train,
        val=val,
        test=test,
        model=partial(transformer, len(letters), window, width=width, depth=depth),
        loss=next_character_loss,
        error=nats,
        chance=log(len(letters)),
        unit="nats a character",
    )


def next_character_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy, from outputs of shape ``[windows, window, characters]``."""
    return cross_entropy(outputs.flatten(0, -2), targets.flatten())


def nats(outputs: Tensor, targets: Tensor) -> Tensor:
    """Each window's mean cross-entropy."""
    return cross_entropy(outputs.transpose(-1, -2), targets, reduction="none").mean(-1)


def _windows(text: Tensor, window: int, size: int | None, name: str) -> Split:
    there = (len(text) - 1) // window
    wanted = there if size is None else size
    if not 1 <= wanted <= there:
        raise StudyError(
            f"{name} cannot give {wanted} windows of {window} characters: a part of its text of {len(text):,} "
            f"characters has {there}; ask for 1 to {there}, or for shorter windows."
        )
    span = wanted * window
    return Split(text[:span].reshape(wanted, window).clone(), text[1 : span + 1].reshape(wanted, window).clone())
