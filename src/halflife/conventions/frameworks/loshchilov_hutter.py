"""Loshchilov & Hutter's own code, in Lua."""

from ..convention import Convention, Settings

RESTARTS = "λ_t = η_t·λ_norm/√(batches·T_e), T_e being the epochs of the current restart period, which grows by T_mult."
SHAPE = "With lrShape 'multistep' weightDecaycurrent is never set: no decay at all. η is taken after T_cur moves on."

ADAMW = Convention(
    name="loshchilov-hutter",
    title="the authors' ADAMW",
    update="w ← (1 − η·λ_norm/√steps)w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))",
    source="loshchil/AdamW-and-SGDW, UPDATETORCHFILES/adam.lua, train.lua; by its lines written out",
    defaults=Settings(1e-3, 0.025),
    factor="schedule",
    eps="uncorrected",
    amount="normalized",
    aliases=("lh", "l&h", "loshchilov-hutter-adamw"),
    notes=(RESTARTS, SHAPE, "The code has no default λ_norm (its option's 5e-4 is for SGD); 0.025 is the paper's."),
)
ADAMDEC = Convention(
    name="loshchilov-hutter-dec",
    title="the authors' ADAMdec: λ as it is",
    update="w ← (1 − η·λ)w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))",
    source=ADAMW.source,
    defaults=Settings(1e-3, 1e-5),
    factor="schedule",
    eps="uncorrected",
    notes=(SHAPE,),
)
SGDW = Convention(
    name="loshchilov-hutter-sgdw",
    title="the authors' SGDW",
    update="b ← μb + g, w ← (1 − η·λ_norm/√steps)w − lr·b",
    source="loshchil/AdamW-and-SGDW, UPDATETORCHFILES/sgd.lua, train.lua; by its lines written out",
    defaults=Settings(0.1, 5e-4, momentum=0.9),
    rule="sgd",
    factor="schedule",
    amount="normalized",
    notes=(RESTARTS, SHAPE, "lr stands outside the momentum, unlike the paper's Algorithm 1."),
)
ALL = (ADAMW, ADAMDEC, SGDW)
