"""timm."""

from ..convention import Convention, Settings

MAX_LR = "max_lr is the constructor's lr for all groups, kept as it was; ours is each group's own."
ADAMW = Convention(
    name="timm",
    title="timm.optim.AdamWLegacy; its factory's 'adamw' is torch.optim.AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="timm 1.0.31, timm/optim/adamw.py: loop and foreach, run beside ours",
    defaults=Settings(1e-3, 1e-2),
    amsgrad="max",
    aliases=("timm-adamw",),
)
CORRECTED = Convention(
    name="timm-corrected",
    title="timm, corrected_weight_decay=True (AdamC)",
    update="w ← (1 − (lr²/max_lr)λ)w − lr·m̂/(√v̂ + ε)",
    source=ADAMW.source,
    defaults=Settings(1e-3, 1e-2),
    factor="lr*schedule",
    aliases=("corrected", "adamc"),
    notes=(MAX_LR,),
)
NADAMW = Convention(
    name="timm-nadamw",
    title="timm.optim.NAdamW",
    update="w ← (1 − lr·λ)w − lr·(β₁m + (1−β₁)g)/(1−β₁ᵗ)/(√v̂ + ε)",
    source="timm 1.0.31, timm/optim/nadamw.py, run beside ours",
    defaults=Settings(1e-3, 1e-2),
    rule="nadam-timm",
    notes=("Neither torch's NAdam nor optax's nadamw.",),
)
SGDW = Convention(
    name="timm-sgdw",
    title="timm.optim.SGDW",
    update="w ← (1 − lr·λ)w, b ← μb + g, w ← w − lr·b",
    source="timm 1.0.31, timm/optim/sgdw.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    rule="sgd",
)
SGDW_CORRECTED = Convention(
    name="timm-sgdw-corrected",
    title="timm.optim.SGDW, corrected_weight_decay=True",
    update="w ← (1 − (lr²/max_lr)λ)w, b ← μb + g, w ← w − lr·b",
    source=SGDW.source,
    defaults=Settings(1e-3, 0.0),
    rule="sgd",
    factor="lr*schedule",
    notes=(MAX_LR,),
)
LION = Convention(
    name="timm-lion",
    title="timm.optim.Lion",
    update="w ← (1 − lr·λ)w − lr·sign(β₁m + (1−β₁)g)",
    source="timm 1.0.31, timm/optim/lion.py, run beside ours",
    defaults=Settings(1e-4, 0.0, betas=(0.9, 0.99)),
    rule="lion",
)
ADAMP = Convention(
    name="timm-adamp",
    title="Clova's AdamP, another optimizer of that name",
    update="w ← (1 − lr·λ·r)w − lr·proj(u); r = 0.1 where the step was projected, else 1",
    source="timm 1.0.31, timm/optim/adamp.py, measured; pytorch_optimizer's the same with ε beside √v",
    defaults=Settings(1e-3, 0.0),
    aliases=("clova-adamp",),
    beyond="it projects the step and then decays by a tenth, as the gradients' directions decide tensor by tensor",
)
ALL = (ADAMW, CORRECTED, NADAMW, SGDW, SGDW_CORRECTED, LION, ADAMP)
