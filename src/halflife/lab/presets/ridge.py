"""Ridge regression, whose answer is known: the coupled decay's best λ is the ridge's, whatever lr."""

from __future__ import annotations

from ..problems import best_ridge, ridge
from ..result import Result
from ..settings import Settings
from ..statistics import NotIdentified
from ..statistics.words import signed, span
from .preset import Arm, Conclusion, Preset, Scale, percent

OPTIMIZERS = ("sgd-l2", "adamw-torch", "adamw-paper", "prox-adam", "adam-l2")


def arms(scale: Scale) -> list[Arm]:
    """The studies of a scale."""
    return [Arm("ridge regression", _settings(scale))]


def _settings(scale: Scale) -> Settings:
    seeds, epochs = {"smoke": (1, 2), "small": (8, 50), "paper": (8, 50)}[scale]
    lrs = (1e-3, 1e-2) if scale == "smoke" else (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    lams = (1e-2, 1.0) if scale == "smoke" else (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
    return Settings("ridge", None, OPTIMIZERS, lrs, lams, seeds, epochs, 20, "constant")


def conclude(results: list[Result]) -> Conclusion:
    """κ of each form, and how near SGD with L2 comes to the exact solution."""
    (result,) = results
    answer = best_ridge(ridge())
    figures = [("exact ridge", f"{percent(answer.val_error)} of the variance at λ = {answer.lam:.3g}")]
    for found in result.findings:
        κ = found.kappa
        coupling = "κ not identified" if isinstance(κ, NotIdentified) else f"κ {signed(κ.value)} ({span(κ.interval())})"
        best = f"{percent(found.val_error.mean)} at lr {found.best_lr:g}, λ {found.best_lam:g}"
        figures.append((found.contender.label, f"{best}; {coupling}"))
    paper, torch = (result.found(name).kappa for name in ("adamw-paper", "adamw-torch"))
    if isinstance(paper, NotIdentified) or isinstance(torch, NotIdentified):
        return Conclusion(None, "κ of one form of AdamW is not identified, so these runs cannot say.", tuple(figures))
    sentence = f"κ is {signed(paper.value)} in the paper's form of AdamW and {signed(torch.value)} in PyTorch's."
    return Conclusion(abs(paper.value) < 0.25 < abs(torch.value), sentence, tuple(figures))


RIDGE = Preset(
    name="ridge",
    title="Ridge regression",
    claim="On ridge regression lr and λ are decoupled in the paper's form of AdamW and coupled in PyTorch's.",
    source="Schaipp 2024, How to jointly tune learning rate and weight decay for AdamW",
    deviations="none in size (n = 200, d = 1000, batches of 20, 50 epochs, constant lr); the data has noise, without "
    "which the best λ is 0",
    cost={"smoke": "seconds", "small": "about 2 minutes on 2 cores", "paper": "as small"},
    arms=arms,
    conclude=conclude,
)
