"""The studies whose ledgers version 0.1.0 has left."""

from __future__ import annotations

from halflife.lab import Settings

VERSION = "0.1.0"
"""The version that wrote the ledgers: it is part of their keys."""

DIGITS = Settings(
    optimizers=("adamw-torch", "adam-p", "prox-adam"),
    lrs=(1e-3, 1e-2),
    lams=(0.01, 0.1, 1.0),
    seeds=2,
    epochs=2,
    batch_size=100,
    curves=True,
)
OWN = Settings(
    problem="tests/compatibility/own_training.py:train",  # from the repository's root
    optimizers=("adamw-torch", "adam-p"),
    lrs=(1e-3, 1e-2, 1e-1),
    lams=(0.01, 0.1),
    seeds=2,
)
