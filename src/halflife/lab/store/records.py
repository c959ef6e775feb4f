"""What came out of a training as the ledger's rows."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from math import isfinite
from typing import Any

import numpy as np
import torch

from ... import __version__
from ..config.grids import trials_of
from ..errors import StudyError
from ..store.keys import Keys
from ..training import Outcome, TrialBatch
from .ledger import RunRecord

SCORES = tuple(f"{split}_{what}" for split, what in product(("train", "val", "test"), ("loss", "error")))


def rows_of(
    outcome: Outcome, replicas: TrialBatch, keys: Keys, names: tuple[str, str], epochs: int, seconds: float
) -> list[RunRecord]:
    """A batch's networks. ``names`` are those of problem and model; ``seconds`` is what the batch took."""
    tensors = {
        **{f"{split}_{what}": getattr(getattr(outcome, split), what) for split, what in map(_split, SCORES)},
        "weight_norm": outcome.weight_norm,
        "diverged": outcome.diverged,
    }
    columns: dict[str, Any] = {name: x.flatten().tolist() for name, x in tensors.items()}
    columns["curves"] = _curves(outcome) or [None] * len(replicas)
    share = seconds / len(replicas)
    return [
        _row(replicas, keys, names, epochs, index, share, {name: x[index] for name, x in columns.items()})
        for index in range(len(replicas))
    ]


def rows_of_own(
    metrics: Mapping[str, Any],
    replicas: TrialBatch,
    keys: Keys,
    names: tuple[str, str],
    epochs: int,
    seconds: float,
    perfect: float | None = None,
) -> list[RunRecord]:
    """The one network that a function of the user's own has trained, from what it returned.

    ``perfect`` is the best of scores of which a larger one is better, as an ``OwnTraining`` has it. Raises
    ``StudyError`` if there is no number ``val_error``, or ``val_score``, or a negative error.
    """
    wanted = "val_error" if perfect is None else "val_score"
    try:
        numbers = {name: float(x) for name, x in dict(metrics).items()}
        if perfect is not None:
            scores = [name for name in numbers if name in ("train_score", "val_score", "test_score")]
            numbers |= {name.replace("score", "error"): perfect - numbers[name] for name in scores}
        _ = numbers[wanted]
        val = numbers["val_error"]
    except (TypeError, ValueError, KeyError):
        raise StudyError(
            f"train(config) must return a mapping of numbers with {wanted!r} among them, but it returned {metrics!r}."
        ) from None
    if val < 0:
        more = "" if perfect is None else f", which is {perfect:g} less the score"
        raise StudyError(
            f"train(config) returned {metrics!r}: an error must be at least 0{more}, for a study compares logarithms. "
            "Where a larger number is better, return val_score and give halflife.lab.OwnTraining(train, perfect=…) the "
            "best there can be."
        )
    known = {name: numbers.pop(name, float("nan")) for name in (*SCORES, "weight_norm")}
    rest = {"diverged": not isfinite(val), "metrics": json.dumps(numbers)}
    return [_row(replicas, keys, names, epochs, 0, seconds, {**known, **rest})]


def _row(
    replicas: TrialBatch,
    keys: Keys,
    names: tuple[str, str],
    epochs: int,
    index: int,
    seconds: float,
    columns: Mapping[str, Any],
) -> RunRecord:
    cell = trials_of(replicas)[index]
    return RunRecord(
        key=keys.of(replicas.spec, cell),
        problem=names[0],
        model=names[1],
        optimizer=replicas.spec.name,
        lr=cell.lr,
        lam=cell.lam,
        seed=cell.seed,
        epochs=epochs,
        version=__version__,
        seconds=seconds,
        **columns,
    )


def _split(name: str) -> tuple[str, str]:
    split, _, what = name.partition("_")
    return split, what


def _curves(outcome: Outcome) -> list[bytes] | None:
    if outcome.curves is None:
        return None
    stacked = torch.stack(list(outcome.curves)).flatten(1, 2).transpose(0, 1)  # [network, 3, epoch]
    return [np.ascontiguousarray(one, np.float32).tobytes() for one in stacked.float().numpy()]
