"""Ridge regression: what decouples lr and λ where decay only forgets the start, and where it holds noise down."""

from __future__ import annotations

from ..analysis.sentences import signed
from ..config.settings import Settings
from ..inference import NotIdentified
from ..problems import best_ridge, ridge
from ..problems.ridge import NOISE
from ..result import Result
from ..units import number_text
from .preset import Conclusion, Condition, Preset, Scale, cell, coupling

OPTIMIZERS = ("sgd-l2", "adamw-torch", "adamw-paper", "prox-adam", "adam-l2")


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [
        Condition("without noise", _settings(scale, "ridge-noiseless")),
        Condition("with noise", _settings(scale, "ridge")),
    ]


def _settings(scale: Scale, problem: str) -> Settings:
    if scale == "smoke":
        return Settings(problem, None, OPTIMIZERS, (1e-3, 1e-2), (1e-2, 1.0), 1, 2, 20, "constant")
    lrs = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    lams = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 30.0, 100.0)
    return Settings(problem, None, OPTIMIZERS, lrs, lams, 8, 50, 20, "constant")


def conclude(results: list[Result]) -> Conclusion:
    """κ of both forms of AdamW without noise, as published, and what noise makes of it; SGD beside the exact answer."""
    figures: list[tuple[str, str]] = []
    for result, noise in zip(results, (0.0, NOISE), strict=True):
        answer = best_ridge(ridge(noise=noise))
        figures.append((f"{result.title}: exact ridge", f"{number_text(answer.val_error)} at λ = {answer.lam:.3g}"))
        figures += [(f"{result.title}: {f.spec.label}", f"{cell(f)}; {coupling(f)}") for f in result.findings]
    paper, torch = (results[0].found(name).kappa for name in ("adamw-paper", "adamw-torch"))
    noisy = results[1].found("adamw-paper").kappa
    if isinstance(paper, NotIdentified) or isinstance(torch, NotIdentified):
        return Conclusion(None, "κ of one form of AdamW is not identified, so these runs cannot say.", tuple(figures))
    sentence = (
        f"Without noise, as published, κ is {signed(paper.value)} in the paper's form of AdamW and "
        f"{signed(torch.value)} in PyTorch's"
    )
    sentence += "." if isinstance(noisy, NotIdentified) else f"; with noise the paper's is {signed(noisy.value)}."
    holds = True if abs(paper.value) <= 0.25 < abs(torch.value) else None
    return Conclusion(False if abs(paper.value) >= abs(torch.value) else holds, sentence, tuple(figures))


RIDGE = Preset(
    name="ridge",
    title="Ridge regression",
    claim="On ridge regression lr and λ are decoupled in the paper's form of AdamW and coupled in PyTorch's.",
    source="Schaipp 2024, How to jointly tune learning rate and weight decay for AdamW",
    deviations="none in size (n = 200, d = 1000, batches of 20, 50 epochs, constant lr), but plain Gaussian features; "
    "the second study adds noise, and with it a best ridge that is known",
    cost={"smoke": "seconds", "small": "about 2 minutes on 2 cores", "paper": "as small"},
    conditions=conditions,
    conclude=conclude,
)
