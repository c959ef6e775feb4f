"""A training in progress on disk, so that what is interrupted goes on where it was, to the same bits."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from .numerics import numerics
from .training import Training, TrialBatch

SPACING = 20
"""A checkpoint is made when this many times what the last one took has passed: at most 5 % of the time goes there."""


def fingerprint(training: Training, replicas: TrialBatch) -> str:
    """What a checkpoint belongs to: a hash of all that the numbers in it depend on."""
    problem, spec = training.problem, replicas.spec
    with torch.random.fork_rng(devices=[]):
        model = str(training.model())
    parts = (
        *(numerics(), torch.__version__, problem.name, problem.fingerprint, model, training.recipe, training.device),
        *(spec.key, spec.settings, replicas.lrs, replicas.lams, replicas.seeds),
    )
    return sha256(repr(parts).encode()).hexdigest()


class CheckpointManager:
    """Writes and reads one file; without a path it does neither.

    A file is written beside the old one and then put in its place, so that there is a whole one at any moment. What
    cannot be read, or belongs to another training, is not used, with a warning. A disk that refuses is warned of once:
    a training need not end because it could not be saved.
    """

    def __init__(self, path: Path | None, training: Training, replicas: TrialBatch) -> None:
        self.path = path
        self.fingerprint = "" if path is None else fingerprint(training, replicas)
        self.saved_at, self.cost = time.perf_counter(), 0.0

    def load(self) -> Mapping[str, Any] | None:
        """What was saved last, or None."""
        if self.path is None or not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, weights_only=True)
            if saved["fingerprint"] == self.fingerprint:
                return saved["state"]
            reason = "it belongs to another training"
        except Exception as error:  # a damaged file fails in as many ways as there are bytes
            reason = f"it cannot be read ({type(error).__name__})"
        warnings.warn(f"the checkpoint {self.path} is not used: {reason}.", RuntimeWarning, stacklevel=2)
        return None

    def offer(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save the state, unless the last time was too short ago."""
        start = time.perf_counter()
        if self.path is None or start - self.saved_at < SPACING * self.cost:
            return
        try:
            self._save(self.path, {"fingerprint": self.fingerprint, "state": state()})
        except (OSError, RuntimeError) as error:
            warnings.warn(f"{self.path} cannot be written ({error}): going on without.", RuntimeWarning, stacklevel=2)
            self.path = None
        self.saved_at = time.perf_counter()
        self.cost = self.saved_at - start

    def _save(self, path: Path, content: Mapping[str, Any]) -> None:
        beside = path.with_name(path.name + ".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, beside)
        os.replace(beside, path)
