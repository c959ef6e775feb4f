"""λ before anything is trained, by the laws that are known: a value, a range, why, and the study that would check it.

λ is that of w ← (1 − lr·λ)w − …, PyTorch's; ``halflife convert`` has it in every other convention.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from .errors import StudyError
from .laws import SCARCE, SCARCE_FACTOR, SECOND_MOMENT, TIMESCALE, TOKENS, TOKENS_CONSTANT, TOKENS_EXPONENT, Law

ALLOWANCE = 2.0
"""A law's value is taken to be right to within this factor."""
ENOUGH_TOKENS = 20.0
"""Tokens per parameter below which data that are seen again are scarce."""


@dataclass(frozen=True)
class TrainingSetup:
    """A training: the peak ``lr``, and the samples (or tokens) in a batch, in the data, and how often each is seen.

    ``params`` is the number of the model's parameters. ``tokens`` says that batch and data are counted in tokens, as
    for language models. Raises ``StudyError`` for a number that is not above 0, or a batch larger than the data.
    """

    lr: float
    batch: float
    data: float
    epochs: float = 1.0
    params: float | None = None
    tokens: bool = False

    def __post_init__(self) -> None:
        names = {"lr": "--lr", "batch": "--batch", "data": self.unit, "epochs": "--epochs", "params": "--params"}
        for name, option in names.items():
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise StudyError(f"{option} must be a number above 0, but {value:g} was given.")
        if self.batch > self.data:
            raise StudyError(f"a batch of {self.batch:g} does not fit: there are {self.data:g} ({self.unit}).")

    @property
    def unit(self) -> str:
        return "--tokens" if self.tokens else "--samples"

    @property
    def steps_per_epoch(self) -> float:
        return self.data / self.batch

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return max(1, round(self.epochs * self.steps_per_epoch))


@dataclass(frozen=True)
class Tuned:
    """Another training of the same problem, and the λ and β₂ that were found best for it."""

    run: TrainingSetup
    lam: float
    beta2: float = 0.999

    def __post_init__(self) -> None:
        if not (isfinite(self.lam) and self.lam > 0 and 0 < self.beta2 < 1):
            raise StudyError(
                f"what was tuned must be a λ above 0 and a β₂ between 0 and 1, but λ {self.lam:g} and β₂ "
                f"{self.beta2:g} were given."
            )


@dataclass(frozen=True)
class Suggestion:
    """``lam`` and where the best one should lie; ``beta2`` and its law, None where nothing says it.

    ``laws`` are those that the value and the range rest on; ``reasons`` say how, a sentence each.
    """

    run: TrainingSetup
    lam: float
    low: float
    high: float
    laws: tuple[Law, ...]
    reasons: tuple[str, ...]
    beta2: float | None = None

    @property
    def lrs(self) -> tuple[float, ...]:
        """Of the study that would check it: four, for κ takes as many."""
        return tuple(float(f"{self.run.lr * 2.0**k:.2g}") for k in (-2, -1, 0, 1))

    @property
    def lams(self) -> tuple[float, ...]:
        """Of the study that would check it: the range, and beyond it to either side."""
        low, high, n = self.low / 3, self.high * 3, 7
        return tuple(float(f"{low * (high / low) ** (k / (n - 1)):.2g}") for k in range(n))

    @property
    def command(self) -> str:
        """The study that would check it."""
        lrs, lams = (",".join(f"{x:g}" for x in grid) for grid in (self.lrs, self.lams))
        batch = "" if self.run.tokens else f" --batch-size {self.run.batch:g}"
        epochs = f" --epochs {max(1, round(self.run.epochs))}"
        return f"halflife study my.py:problem --optimizer adamw-torch --lrs {lrs} --lambdas {lams}{batch}{epochs}"


def suggest(run: TrainingSetup, tuned: Tuned | None = None) -> Suggestion:
    """From what was tuned elsewhere, else from tokens per parameter, else from how long the weights should average.

    Equations: τ = 1/(lr·λ) steps. Tuned: λ = λ₀·(lr₀/lr)·(batch/batch₀)·(data₀/data). Tokens: batch/(lr·λ·tokens) =
    1.084·(tokens/params)^−0.527. Otherwise 1 ≤ τ/steps per epoch ≤ epochs, and the geometric middle.
    """
    if tuned is not None:
        found = _from_tuned(run, tuned)
    elif run.tokens and run.params is not None:
        found = _from_tokens(run, run.params)
    else:
        found = _from_epochs(run)
    return _scarce(found)


def _from_tuned(run: TrainingSetup, tuned: Tuned) -> Suggestion:
    before = tuned.run
    lam = tuned.lam * (before.lr / run.lr) * (run.batch / before.batch) * (before.data / run.data)
    laws, words = (TIMESCALE, SECOND_MOMENT), "the averaging time of what was tuned is kept, in epochs"
    if run.tokens and run.params is not None and before.params is not None:
        ratio = (run.data / run.params) / (before.data / before.params)
        lam *= ratio**-TOKENS_EXPONENT
        laws, words = (TOKENS, SECOND_MOMENT), f"{words}, and moved by the tokens per parameter"
    beta2 = tuned.beta2 ** (run.batch / before.batch)
    reason = f"from λ {tuned.lam:g} at lr {before.lr:g}, batch {before.batch:g}, data {before.data:g}: {words}."
    return Suggestion(run, lam, lam / ALLOWANCE, lam * ALLOWANCE, laws, (reason,), beta2)


def _from_tokens(run: TrainingSetup, params: float) -> Suggestion:
    per_parameter = run.data / params
    share = TOKENS_CONSTANT * per_parameter**TOKENS_EXPONENT
    lam = run.batch / (run.lr * run.data * run.epochs * share)
    reason = (
        f"{per_parameter:.3g} tokens per parameter: the weights should average over {share:.2g} of the training, as "
        "fitted on models under μP with an lr that falls to 0."
    )
    return Suggestion(run, lam, lam / ALLOWANCE, lam * ALLOWANCE, (TOKENS,), (reason,))


def _from_epochs(run: TrainingSetup) -> Suggestion:
    once = 1 / (run.lr * run.steps_per_epoch)
    longest = max(run.epochs, 1.0)
    middle = sqrt(longest)
    reason = (
        f"the weights should average over one epoch at least, so that all data count, and over all {longest:g} at "
        f"most, so that the start is forgotten: τ = 1 … {longest:g} epochs of {run.steps_per_epoch:.4g} steps, "
        f"{middle:.2g} in the geometric middle."
    )
    low, high = (once / ALLOWANCE, once * ALLOWANCE) if longest == 1 else (once / longest, once)
    return Suggestion(run, once / middle, low, high, (TIMESCALE,), (reason,))


def _scarce(found: Suggestion) -> Suggestion:
    """With a longer range upward where few tokens are seen again and again."""
    run = found.run
    if not (run.tokens and run.params and run.epochs > 1 and run.data / run.params < ENOUGH_TOKENS):
        return found
    reason = (
        f"{run.data / run.params:.3g} tokens per parameter, each seen {run.epochs:g} times: the best λ may be up to "
        f"{SCARCE_FACTOR:g} times as large."
    )
    high = max(found.high, SCARCE_FACTOR * found.lam)
    return Suggestion(run, found.lam, found.low, high, (*found.laws, SCARCE), (*found.reasons, reason), found.beta2)
