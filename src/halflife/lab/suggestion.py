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
    """A training, as far as the laws ask.

    Args:
        lr: the peak learning rate.
        batch, data: the samples (or tokens) in a batch, and in the data.
        epochs: how often each is seen.
        params: the number of the model's parameters.
        tokens: says that batch and data are counted in tokens, as for language models.

    Raises:
        StudyError: for a number that is not above 0, or a batch larger than the data.

    Example:
        >>> from halflife.lab import TrainingSetup
        >>> TrainingSetup(lr=1e-3, batch=128, data=50_000, epochs=100).steps
        39062
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
        """The option that says how much data there is."""
        return "--tokens" if self.tokens else "--samples"

    @property
    def steps_per_epoch(self) -> float:
        """data/batch."""
        return self.data / self.batch

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return max(1, round(self.epochs * self.steps_per_epoch))


@dataclass(frozen=True)
class Tuned:
    """Another training of the same problem, and what was found best for it.

    Args:
        run: that training.
        lam, beta2: its best λ and β₂.

    Raises:
        StudyError: for a λ that is not above 0, or a β₂ outside (0, 1).

    Example:
        A run with four times the batch, tuned from one with λ = 0.1:
        >>> from halflife.lab import TrainingSetup, Tuned, suggest
        >>> small = Tuned(TrainingSetup(lr=1e-3, batch=128, data=50_000, epochs=100), lam=0.1)
        >>> large = TrainingSetup(lr=2e-3, batch=512, data=50_000, epochs=100)
        >>> round(suggest(large, small).lam, 3), round(suggest(large, small).beta2, 4)
        (0.2, 0.996)
    """

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
    """λ for a training, and why.

    Attributes:
        run: the training.
        lam: λ.
        low, high: where the best one should lie.
        laws: those that the value and the range rest on.
        reasons: how, a sentence each.
        beta2: β₂, None where nothing says it.

    Example:
        >>> from halflife.lab import TrainingSetup, suggest
        >>> found = suggest(TrainingSetup(lr=1e-3, batch=128, data=50_000, epochs=100))
        >>> found.lrs, found.lams
        ((0.00025, 0.0005, 0.001, 0.002), (0.0085, 0.027, 0.082, 0.26, 0.8, 2.5, 7.7))
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

    Args:
        run: the training.
        tuned: another one of the same problem, and its best λ.

    Returns:
        λ of PyTorch's form, a range, and the study that would check it.

    Example:
        >>> from halflife.lab import TrainingSetup, suggest
        >>> found = suggest(TrainingSetup(lr=1e-3, batch=128, data=50_000, epochs=100))
        >>> f"λ = {found.lam:.3g}, between {found.low:.3g} and {found.high:.3g}"
        'λ = 0.256, between 0.0256 and 2.56'
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
