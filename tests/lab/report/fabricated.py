"""A study without training: surfaces of known κ as a ledger's rows, and the ledger itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from halflife import __version__
from halflife.lab.analysis import findings
from halflife.lab.config.grids import grids_of
from halflife.lab.config.settings import Settings
from halflife.lab.config.user_code import OwnTraining
from halflife.lab.result import Result
from halflife.lab.store.ledger import Ledger, RunRecord, key_of

KAPPA = {"adam-l2": -0.2, "adamw-torch": 0.0, "adamw-paper": -1.0, "prox-adam": -1.0, "adam-p": -0.1}
SETTINGS = Settings(
    optimizers=("adamw-torch", "adamw-paper", "prox-adam"), lrs=(1e-3, 2e-3, 5e-3, 1e-2, 2e-2), epochs=12, curves=True
)


def problem():
    words = "digits", "Digits that are <made up>", "f00d"
    return OwnTraining(lambda config: {}, *words, chance=0.9, unit="misclassified")


def fabricated(settings=SETTINGS, title="digits", ledger=Path("study/study.db"), missing=lambda run: False, noise=0.02):
    job = {"made": "up", "loss scale": settings.loss_scale, "title": title}
    rows, found = {}, []
    for block in grids_of(settings):
        runs = [run(settings, block, cell, job, noise) for cell in block.cells()]
        rows[block.spec.name] = [None if missing(one) else one for one in runs]
        known = (block.spec, block.lrs, block.lams, rows[block.spec.name])
        found.append(findings(*known, problem().chance, problem().unit))
    return Result(title, settings, problem(), found[1:], found[0], rows, ledger, "stacked: it was quicker")


def run(settings, block, cell, job, noise):
    name, (seed, lr, lam) = block.spec.name, cell
    error, diverged = surface(name, lr, lam, block), name == "adam-l2" and lam == max(block.lams) and seed == 0
    luck = np.random.default_rng([seed, round(1e6 * lr), round(1e6 * lam), name == "adamw-paper"])
    error += 0.002 * np.log(lam / 1e-3) if name == "prox-adam" else 0
    error *= settings.loss_scale**0.1 if name == "adam-l2" else 1
    error = float(min(error * np.exp(noise * luck.standard_normal()), 0.9))
    epochs = np.arange(1, settings.epochs + 1)
    curves = np.stack(
        [error + (0.9 - error) * np.exp(-epochs / 3), 2 * np.exp(-epochs / 5), (9 + 9 * epochs * lr) / (1 + 2 * lam)]
    )
    if diverged:
        curves[1, len(epochs) // 2 :] = np.nan  # the weights are frozen, and so is what they score
    optimizer = [name, str(block.spec.update), repr(block.spec.settings)]
    scores = {"train_loss": 0.1, "train_error": 0.05, "val_loss": 0.3, "val_error": error, "test_loss": 0.3}
    return RunRecord(
        key=key_of({**job, "optimizer": optimizer, **cell._asdict()}),
        problem="digits",
        model="mlp",
        optimizer=name,
        epochs=settings.epochs,
        version=__version__,
        test_error=error + 0.005,
        weight_norm=float(curves[2, -1]),
        diverged=diverged,
        seconds=0.5,
        curves=curves.astype(np.float32).tobytes() if settings.curves else None,
        **scores,
        **cell._asdict(),
    )


def surface(name, lr, lam, block):
    """A valley of slope −κ through the middle of the grid, deeper towards larger learning rates but the largest."""
    x = np.log(lr) - np.log(block.lrs[max(len(block.lrs) - 2, 0)])
    if lam == 0:
        return 0.09 + 0.02 * x**2
    z = np.log(lam) - np.mean(np.log(block.lams)) + KAPPA.get(name, 0) * (x + 0.7)
    return min(0.065 * np.exp(0.03 * x**2 + 0.09 * z**2), 0.9)


def write_ledger(folder, results, command="halflife study --out 'a folder'", preset="", scale=""):
    """As a study writes it: settings and what is about them, then every run that there is."""
    with Ledger(folder / "study.db") as ledger:
        for result in results:
            job = {"made": "up", "loss scale": result.settings.loss_scale, "title": result.title}
            words = {name: getattr(result.problem, name) for name in ("name", "description", "unit", "chance")}
            about = {"title": result.title, "problem": words, "job": job, "machine": {"processor": "Z80", "cores": 1}}
            origin = {"command": command, "preset": preset, "scale": scale}
            settings = {**result.settings.stored, "problem": "digits"}
            ledger.open_study({**about, **origin, "torch": "2.x", "settings": settings}, __version__)
            ledger.record(run for runs in result.runs.values() for run in runs if run is not None)
        ledger.settle("way of ('digits', 'own')", "stacked|it was quicker")
    return folder


def conditions(scales=(1.0, 10.0, 100.0), optimizers=SETTINGS.optimizers):
    """Studies that differ in the scale of the loss, which only Adam with L2 sees."""
    settings = replace(SETTINGS, optimizers=optimizers, curves=False)
    return [fabricated(replace(settings, loss_scale=scale), f"loss × {scale:g}") for scale in scales]
