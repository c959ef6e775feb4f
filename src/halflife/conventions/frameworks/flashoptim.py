"""FlashOptim."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="flashoptim",
    title="flashoptim.FlashAdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="flashoptim 0.1.4, its unquantized, unfused path run beside ours",
    defaults=Settings(1e-3, 1e-2),
)
DECOUPLED = Convention(
    name="flashoptim-decoupled-lr",
    title="flashoptim.FlashAdamW(decouple_lr=True)",
    update="w ← (1 − λ·lr/initial_lr)w − lr·m̂/(√v̂ + ε)",
    source=ADAMW.source,
    defaults=Settings(1e-3, 1e-2),
    factor="schedule",
    notes=("initial_lr is the constructor's for all groups, and OneCycleLR overwrites it: 25λ at its peak.",),
)
SGDW = Convention(
    name="flashoptim-sgdw-decoupled-lr",
    title="flashoptim.FlashSGDW(decouple_lr=True)",
    update="w ← (1 − λ·lr/initial_lr)w, b ← μb + g, w ← w − lr·b",
    source=ADAMW.source,
    defaults=Settings(1e-3, 0.0),
    rule="sgd",
    factor="schedule",
)
ALL = (ADAMW, DECOUPLED, SGDW)
