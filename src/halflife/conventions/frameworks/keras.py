"""Keras 3, any backend."""

from ..convention import Convention, Settings

NAMES = {"learning_rate": "lr", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}
ADAMW = Convention(
    name="keras",
    title="keras.optimizers.AdamW, and Adam(weight_decay=…)",
    update="w ← (1 − lr·λ)w, then w ← w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))",
    source="keras 3.15.1, keras/src/optimizers/base_optimizer.py, adam.py, run on the torch backend beside ours",
    defaults=Settings(1e-3, 4e-3, eps=1e-7),
    amsgrad="max",
    eps="uncorrected",
    aliases=("keras-adam", "keras-adamw"),
    spelling=NAMES,
    notes=(
        "Every optimizer of Keras decays so, but for Ftrl, where weight_decay has no effect, and ScheduleFreeAdamW, "
        "which shrinks y and not z.",
        "Adam's weight_decay defaults to None. Schedules are called with 0 at the first step.",
    ),
)
SGD = Convention(
    name="keras-sgd",
    title="keras.optimizers.SGD(weight_decay=…)",
    update="w ← (1 − lr·λ)w, b ← μb − lr·g, w ← w + b",
    source="keras 3.15.1, keras/src/optimizers/sgd.py, run on the torch backend beside ours",
    defaults=Settings(1e-2, 0.0),
    rule="sgd",
    lr_place="inside",
    spelling=NAMES,
)
LION = Convention(
    name="keras-lion",
    title="keras.optimizers.Lion",
    update="w ← (1 − lr·λ)w − lr·sign(β₁m + (1−β₁)g)",
    source="keras 3.15.1, keras/src/optimizers/lion.py, run on the torch backend beside ours",
    defaults=Settings(1e-3, 0.0, betas=(0.9, 0.99)),
    rule="lion",
    spelling=NAMES,
)
ALL = (ADAMW, SGD, LION)
