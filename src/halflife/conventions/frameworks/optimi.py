"""optimi (torch-optimi)."""

from ..convention import Convention, Settings

GLOBAL = "max_lr is the constructor's lr for all groups; ours is each group's own."
ADAMW = Convention(
    name="optimi",
    title="optimi.AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="torch-optimi 0.3.3, optimi/adamw.py: loop and foreach, run beside ours",
    defaults=Settings(1e-3, 1e-2, betas=(0.9, 0.99), eps=1e-6),
    aliases=("torch-optimi",),
    notes=("lr has no default there. β₂ is 0.99 and ε 1e-6.",),
)
DECOUPLED = Convention(
    name="optimi-decoupled-lr",
    title="optimi, decouple_lr=True",
    update="w ← (1 − λ·lr/max_lr)w − lr·m̂/(√v̂ + ε)",
    source=ADAMW.source,
    defaults=Settings(1e-3, 1e-5, betas=(0.9, 0.99), eps=1e-6),
    factor="schedule",
    notes=(GLOBAL, "Of Adam, decouple_lr=True alone makes a coupled λ this one.", "A default λ of 1e-5 is asked for."),
)
LION = Convention(
    name="optimi-lion",
    title="optimi.Lion",
    update="w ← (1 − lr·λ)w − lr·sign(β₁m + (1−β₁)g)",
    source="torch-optimi 0.3.3, optimi/lion.py, run beside ours",
    defaults=Settings(1e-4, 0.0, betas=(0.9, 0.99)),
    rule="lion",
)
LION_DECOUPLED = Convention(
    name="optimi-lion-decoupled-lr",
    title="optimi.Lion, decouple_lr=True",
    update="w ← (1 − λ·lr/max_lr)w − lr·sign(β₁m + (1−β₁)g)",
    source=LION.source,
    defaults=LION.defaults,
    rule="lion",
    factor="schedule",
    notes=(GLOBAL,),
)
STABLE = Convention(
    name="optimi-stableadamw",
    title="StableAdamW, also pytorch_optimizer's",
    update="lr′ = lr/max(1, RMS(g/√v̂)); w ← (1 − lr′·λ)w − lr′·m̂/(√v̂ + ε)",
    source="torch-optimi 0.3.3, optimi/stableadamw.py, measured",
    defaults=ADAMW.defaults,
    aliases=("stableadamw", "stable-adamw"),
    beyond="it decays by a learning rate that it clips tensor by tensor, as the gradients decide",
)
ALL = (ADAMW, DECOUPLED, LION, LION_DECOUPLED, STABLE)
