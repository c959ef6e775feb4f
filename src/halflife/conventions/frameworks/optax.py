"""Optax."""

from ..convention import Convention, Settings

NAMES = {"learning_rate": "lr", "b1": "beta1", "b2": "beta2"}
ADAMW = Convention(
    name="optax",
    title="optax.adamw",
    update="w ← w − lr(m̂/(√v̂ + ε) + λw)",
    source="optax 0.2.8, optax/_src/alias.py, run beside ours",
    defaults=Settings(1e-3, 1e-4),
    spelling=NAMES,
    amsgrad="max of corrected",
    notes=(
        "weight_decay may be a schedule, called with 0 at the first step, as the learning rate's: λ/α for a learning "
        "rate α·η gives the paper's (1 − η·λ) exactly.",
        "eps_root (0) goes under the root. amsgrad takes the maximum of v̂, unlike all others.",
    ),
)
NADAMW = Convention(
    name="optax-nadamw",
    title="optax.nadamw",
    update="w ← w − lr((β₁m/(1−β₁ᵗ⁺¹) + (1−β₁)g/(1−β₁ᵗ))/(√v̂ + ε) + λw)",
    source="optax 0.2.8, optax/_src/alias.py, run beside ours",
    defaults=Settings(1e-3, 1e-4),
    rule="nadam-optax",
    spelling=NAMES,
)
SGDW = Convention(
    name="optax-sgdw",
    title="chain(trace, add_decayed_weights, scale_by_learning_rate)",
    update="b ← μb + g, w ← w − lr(b + λw)",
    source="optax 0.2.8, run beside ours",
    defaults=Settings(1e-3, 1e-4, momentum=0.9),
    rule="sgd",
    spelling=NAMES,
    notes=("add_decayed_weights *before* sgd is L2: torch-sgd.",),
)
LION = Convention(
    name="optax-lion",
    title="optax.lion",
    update="w ← w − lr(sign(β₁m + (1−β₁)g) + λw)",
    source="optax 0.2.8, optax/_src/alias.py, run beside ours",
    defaults=Settings(1e-4, 1e-3, betas=(0.9, 0.99)),
    rule="lion",
    spelling=NAMES,
)
ALL = (ADAMW, NADAMW, SGDW, LION)
