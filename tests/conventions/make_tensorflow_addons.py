"""Writes tensorflow_addons.json: what TensorFlow Addons' own AdamW and SGDW do with the numbers of problem.py.

Run where tensorflow, tf_keras, tensorflow-addons 0.23 and numpy are (torch is not needed):
``TF_USE_LEGACY_KERAS=1 python tests/conventions/make_tensorflow_addons.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
import tf_keras.src.engine.keras_tensor

for name in [n for n in sys.modules if n == "tf_keras" or n.startswith("tf_keras.")]:
    sys.modules["keras" + name[8:]] = sys.modules[name]  # where addons look for it

from tensorflow_addons.optimizers import SGDW, AdamW  # noqa: E402

N, STEPS, LRS, λ = 12, 6, (0.1, 0.08, 0.1, 0.05, 0.02, 0.004), 0.3
_random = np.random.default_rng(0)
W0 = _random.normal(size=N)
GRADS = [_random.normal(size=N) * np.logspace(-4, 0, N) for _ in range(STEPS)]
ADAM = {"learning_rate": LRS[0], "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-3}


class Listed(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A callable of the step, counted from 0."""

    def __init__(self, values):
        self.values = values

    def __call__(self, step):
        return tf.gather(tf.constant(self.values, tf.float64), tf.cast(step, tf.int32))


def variables(optimizer):
    """What from_keras reads: names and values."""
    return [[v.name, v.numpy().tolist()] for v in optimizer.variables()]


def run(optimizer, lrs=LRS, decays=None, steps=STEPS):
    w, rows = tf.Variable(W0, dtype=tf.float64, name="dense/kernel"), []
    for k, g in enumerate(GRADS[:steps]):
        if lrs is not None:
            optimizer.learning_rate = lrs[k]
        if decays is not None:
            optimizer.weight_decay = decays[k]
        optimizer.apply_gradients([(tf.constant(g, tf.float64), w)])
        rows.append(w.numpy().tolist())
    return rows


if __name__ == "__main__":
    scheduled = [λ * lr / LRS[0] for lr in LRS]
    real = {
        "adamw": run(AdamW(weight_decay=λ, **ADAM)),
        "adamw_scheduled_by_hand": run(AdamW(weight_decay=λ, **ADAM), decays=scheduled),
        "sgdw": run(SGDW(weight_decay=λ, learning_rate=LRS[0], momentum=0.9)),
        "adamw_callables": run(
            AdamW(**{**ADAM, "weight_decay": Listed(scheduled), "learning_rate": Listed(LRS)}), None
        ),
    }
    for name, optimizer in (
        ("adamw", AdamW(weight_decay=λ, **ADAM)),
        ("sgdw", SGDW(weight_decay=λ, learning_rate=LRS[0], momentum=0.9)),
    ):
        run(optimizer, steps=STEPS // 2)
        real[f"{name}_variables_halfway"] = variables(optimizer)
    Path(__file__).with_name("tensorflow_addons.json").write_text(json.dumps(real) + "\n", encoding="utf-8")
