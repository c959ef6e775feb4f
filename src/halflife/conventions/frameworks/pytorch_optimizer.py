"""pytorch_optimizer (kozistr)."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="pytorch-optimizer",
    title="pytorch_optimizer.AdamW, which is torch.optim.AdamW, and FlashAdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="pytorch_optimizer 4.1.0, run beside ours",
    defaults=Settings(1e-3, 1e-2),
    aliases=("kozistr",),
    notes=("Its own rules have ε beside √v. AdamP(weight_decouple=False) never decays.",),
)
ADAMC = Convention(
    name="pytorch-optimizer-adamc",
    title="pytorch_optimizer.AdamC",
    update="w ← (1 − lr·λ)w − lr·m̂/((√(v + 1e-15) + ε)/√(1−β₂ᵗ))",
    source="pytorch_optimizer 4.1.0, optimizer/adamc.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    eps="floored",
)
FIXED = Convention(
    name="pytorch-optimizer-fixed",
    title="pytorch_optimizer.AdamC(fixed_decay=True)",
    update="w ← (1 − λ)w − lr·m̂/((√(v + 1e-15) + ε)/√(1−β₂ᵗ))",
    source=ADAMC.source,
    defaults=Settings(1e-3, 0.0),
    factor="one",
    eps="floored",
    notes=("No schedule reaches the decay.",),
)
NORMALIZED = Convention(
    name="pytorch-optimizer-adamc-normalized",
    title="pytorch_optimizer.AdamC, groups with normalized=True",
    update="w ← (1 − (lr²/max_lr)λ)w − lr·m̂/((√(v + 1e-15) + ε)/√(1−β₂ᵗ))",
    source=ADAMC.source,
    defaults=Settings(1e-3, 0.0),
    factor="lr*schedule",
    eps="floored",
    notes=("max_lr is one for all groups; ours is each group's own.",),
)
SGDW = Convention(
    name="pytorch-optimizer-sgdw",
    title="pytorch_optimizer.SGDW",
    update="w ← (1 − lr·λ)w, b ← μb + g, w ← w − lr·b",
    source="pytorch_optimizer 4.1.0, run beside ours",
    defaults=Settings(1e-4, 0.0),
    rule="sgd",
)
LION_FIXED = Convention(
    name="pytorch-optimizer-lion-fixed",
    title="pytorch_optimizer.Lion(fixed_decay=True)",
    update="w ← (1 − λ)w − lr·sign(β₁m + (1−β₁)g)",
    source="pytorch_optimizer 4.1.0, optimizer/lion.py, run beside ours",
    defaults=Settings(1e-4, 0.0, betas=(0.9, 0.99)),
    rule="lion",
    factor="one",
)
ALL = (ADAMW, ADAMC, FIXED, NORMALIZED, SGDW, LION_FIXED)
