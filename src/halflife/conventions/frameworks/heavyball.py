"""HeavyBall."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="heavyball",
    title="heavyball's AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/max(√v̂, ε)",
    source="HomebrewML/HeavyBall, heavyball/utils.py, a stored revision; by its lines written out",
    defaults=Settings(2.5e-3, 0.0, betas=(0.9, 0.99)),
    eps="clamped",
    notes=("Computed in float32, rounded stochastically to bfloat16.",),
)
ADAMC = Convention(
    name="heavyball-adamc",
    title="heavyball's AdamC",
    update="w ← (1 − (lr²/max_lr)λ)w − lr·m̂/max(√v̂, ε)",
    source=ADAMW.source,
    defaults=ADAMW.defaults,
    factor="lr*schedule",
    eps="clamped",
)
ALL = (ADAMW, ADAMC)
