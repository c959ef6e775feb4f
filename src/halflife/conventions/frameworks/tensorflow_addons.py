"""TensorFlow Addons."""

from ..convention import Convention, Settings
from .keras import NAMES

CALLABLES = "lr never enters: where it is scheduled, weight_decay must be too; both may be callables of the step."
ADAMW = Convention(
    name="tensorflow-addons",
    title="tfa.optimizers.AdamW",
    update="w ← (1 − λ)w, then w ← w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))",
    source="tensorflow-addons 0.23.0, weight_decay_optimizers.py, run on tf_keras beside ours",
    defaults=Settings(1e-3, 1e-5, eps=1e-7),
    factor="one",
    eps="uncorrected",
    aliases=("tensorflow", "tf", "tfa"),
    spelling=NAMES,
    notes=(CALLABLES, "weight_decay has no default there and is the first argument; 1e-5 stands in for it."),
)
SGDW = Convention(
    name="tensorflow-addons-sgdw",
    title="tfa.optimizers.SGDW",
    update="w ← (1 − λ)w, b ← μb − lr·g, w ← w + b",
    source="tensorflow-addons 0.23.0, weight_decay_optimizers.py, run on tf_keras beside ours",
    defaults=Settings(1e-3, 1e-5),
    rule="sgd",
    factor="one",
    lr_place="inside",
    aliases=("tfa-sgdw",),
    spelling=NAMES,
    notes=(CALLABLES,),
)
ALL = (ADAMW, SGDW)
