"""A study before it runs: how many networks, how long, how much memory, and what it will not be able to say."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

from .analysis.comparison import seeds_needed
from .config.grids import GridSpec, grids_of
from .config.settings import Settings
from .config.task import training_of, with_head
from .execution import batches_of, choose_mode
from .execution.autotune import AutotuneDecision
from .execution.batching import bytes_of
from .execution.config import ExecutionConfig
from .inference.coupling import COLUMNS_NEEDED
from .store.keys import Keys
from .store.reader import read_tables
from .training import Training

LAMS_NEEDED = 3
"""A best λ beats both ends of the grid, so it takes one between them."""


class Plan(NamedTuple):
    """What a study takes.

    Attributes:
        networks, done: how many there are, and are in the folder already.
        minutes, memory: time, and bytes; NaN where they are not known beforehand.
        mode: how they are trained.
        remarks: what cannot be identified.

    Example:
        >>> from pathlib import Path
        >>> from halflife.lab import Settings, plan
        >>> size = Path("my.py").write_text("def train(config): return {'val_error': config.lr}")
        >>> print(plan(Settings("my.py:train", seeds=1), "study").remarks[-1])
        One seed: no interval, no cost and no comparison (--seeds 4 gives all three).
    """

    networks: int
    done: int
    minutes: float
    memory: float
    mode: str
    remarks: list[str]


def plan(settings: Settings, folder: Path | str, how: ExecutionConfig | None = None) -> Plan:
    """Say how much a study is: nothing is trained but a few steps, to measure them, and nothing is written.

    Args:
        settings: the study's.
        folder: where it is to be written, or was in part.
        how: where and how.

    Returns:
        How many networks, how long, how much memory, and what it will not be able to say.

    Raises:
        StudyError: as a study does.

    Example:
        Two cells under two seeds and, to compare with, no decay under both; a training of your own is not measured:
        >>> from pathlib import Path
        >>> from halflife.lab import Settings, plan
        >>> size = Path("my.py").write_text("def train(config): return {'val_error': config.lr}")
        >>> plan(Settings("my.py:train", optimizers="sgd", lrs=(0.01,), lams=(0.1, 1.0), seeds=2), "study").networks
        6
    """
    how = how or ExecutionConfig()
    training = training_of(settings, how)
    settings = with_head(settings, training)
    grids = list(grids_of(settings))
    keys, path = Keys(training, settings), Path(folder) / "study.db"
    known = {str(row["key"]) for row in read_tables(path).runs} if path.is_file() else set[str]()
    wanted = [keys.of(grid.spec, cell) for grid in grids for cell in grid.cells()]
    left, remarks = sum(key not in known for key in wanted), limits_of(settings)
    if not isinstance(training, Training):
        return Plan(len(wanted), len(wanted) - left, nan, nan, "each by its own function", remarks)
    decision = choose_mode(training, grids[0].spec)
    minutes = left * training.steps * decision.seconds / how.n_workers / 60
    last = decision.way if grids[-1].spec.is_stackable else "singly"
    batches = batches_of(training, grids[-1].replicas(), how.n_workers, how.memory, last)
    memory = bytes_of(training, grids[-1].spec) * max(map(len, batches)) * min(how.n_workers, len(batches))
    return Plan(len(wanted), len(wanted) - left, minutes, memory, _mode(decision, grids), remarks)


def _mode(decision: AutotuneDecision, grids: Sequence[GridSpec]) -> str:
    """How they are trained, in words, and which optimizers step no stack."""
    alone = [grid.spec.label for grid in grids if not grid.spec.is_stackable]
    words = f"; {', '.join(alone)}: singly, which takes longer" if alone and decision.way == "stacked" else ""
    return f"{decision.way}: {decision.why}{words}"


def limits_of(settings: Settings) -> list[str]:
    """What a study of these settings cannot identify, and what would make it so."""
    specs, remarks = settings.optimizer_specs(), list[str]()
    lrs = min(len(settings.lrs_of(spec)) for spec in specs)
    lams = min(len(settings.lams_of(spec)) for spec in specs)
    if lrs < COLUMNS_NEEDED:
        remarks.append(
            f"κ will not be identified: it takes {COLUMNS_NEEDED} learning rates at least whose best λ lies inside the "
            f"grid, and {_counted(lrs, 'is', 'are')} given (--lrs)."
        )
    if lams < LAMS_NEEDED:
        remarks.append(
            f"No best λ will be seen inside the grid: it takes {LAMS_NEEDED} λ at least, and "
            f"{_counted(lams, 'is', 'are')} given (--lambdas)."
        )
    if settings.seeds == 1:
        remarks.append("One seed: no interval, no cost and no comparison (--seeds 4 gives all three).")
    elif len(specs) > 1 and settings.seeds < seeds_needed(len(specs) - 1):
        remarks.append(
            f"{settings.seeds} seeds cannot show that one of {len(specs)} optimizers is better: it takes "
            f"{seeds_needed(len(specs) - 1)} (--seeds {seeds_needed(len(specs) - 1)})."
        )
    return remarks


def _counted(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def plan_words(plan: Plan) -> list[str]:
    """In lines."""
    time = "how long is not known before one is trained" if isnan(plan.minutes) else _time(plan.minutes)
    memory = "" if isnan(plan.memory) else f", {plan.memory / 1e9:.1f} GB at most"
    done = f", {plan.done} of them done" if plan.done else ""
    return [f"{plan.networks} networks{done}: {time}{memory}.", f"Trained {plan.mode}.", *plan.remarks]


def _time(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.1f} hours"
