"""Zhuang et al., Understanding AdamW through Proximal Methods and Scale-Freeness."""

from ..convention import Convention, Settings

GLOBAL = "Its init_lr is the constructor's for all groups; ours is each group's own."

ADAMW = Convention(
    name="zhuang",
    title="Zhuang et al.'s AdamW",
    update="w ← (1 − η·λ)w − lr·m̂/(√v̂ + ε), η = lr/initial lr",
    source="zhenxun-zhuang/AdamW-Scale-free, src/adam.py; by its lines written out",
    defaults=Settings(1e-3, 0.0),
    factor="schedule",
    notes=(GLOBAL,),
)
PROX = Convention(
    name="zhuang-prox",
    title="Zhuang et al.'s AdamProx, our ProxAdam",
    update="w ← (w − lr·m̂/(√v̂ + ε))/(1 + η·λ)",
    source=ADAMW.source,
    defaults=Settings(1e-3, 0.0),
    factor="schedule",
    order="proximal",
    aliases=("proximal", "proxadam"),
    notes=(GLOBAL, "A half-life of h steps is λ = 2^(1/h) − 1 here, and 1 − 2^(−1/h) where the decay is explicit."),
)
ALL = (ADAMW, PROX)
