"""HeavyBall."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="heavyball",
    title="heavyball's AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/max(√v̂, ε)",
    source="heavyball 3.2.1, heavyball/utils.py, run beside ours",
    defaults=Settings(2.5e-3, 0.0, betas=(0.9, 0.99)),
    eps="clamped",
    notes=(
        "bfloat16 is computed in float32 and rounded stochastically.",
        "Its SGD is timm-sgdw, decoupled under the name SGD; its NAdam decouples only by decoupled_weight_decay=True.",
    ),
)
ADAMC = Convention(
    name="heavyball-adamc",
    title="heavyball's AdamC",
    update="w ← (1 − (lr²/max_lr)λ)w − lr·m̂/max(√v̂, ε)",
    source=ADAMW.source,
    defaults=ADAMW.defaults,
    factor="lr*schedule",
    eps="clamped",
    notes=("max_lr is the constructor's lr for all groups that give none; ours is each group's own.",),
)
HYPERBALL = Convention(
    name="heavyball-hyperball",
    title="heavyball's HyperBallAdamW, of tensors of two dimensions and more",
    update="d = g/max(√v̂, ε) + λw; w ← r·N(w − lr·r·N(d)), N(x) = x/‖x‖, r = ‖w₀‖",
    source="heavyball 3.2.1, heavyball/utils.py, measured",
    defaults=ADAMW.defaults,
    eps="clamped",
    aliases=("hyperball", "hyperballadamw"),
    notes=(
        "It has no first moment, whatever its name says; β₁ is not used.",
        "With λ = 0 it is halflife.AdamW(betas=(0, β₂), decay='proximal', regularizer=Sphere(), "
        "direction='normalized'), but for ε.",
        "λ makes the step lr·‖u‖/(‖u + λw‖ − lr·r·λ), u = g/max(√v̂, ε).",
        "Tensors of one dimension are on no sphere: (1 − lr·λ)w − lr·u.",
    ),
    beyond="it keeps the norm that a tensor begins with, so that λ removes nothing and only changes the step's length",
)
ALL = (ADAMW, ADAMC, HYPERBALL)
