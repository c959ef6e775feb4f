"""Treatments of halflife's own that no framework above has."""

from ..convention import Convention, Settings

PROX_LR = Convention(
    name="halflife-proximal-lr",
    title='decay="proximal_lr", as in Adan',
    update="w ← (w − lr·m̂/(√v̂ + ε))/(1 + lr·λ)",
    source='halflife.AdamW(decay="proximal_lr"); Adan, https://arxiv.org/abs/2208.06677',
    defaults=Settings(1e-3, 1e-2),
    amsgrad="max",
    order="proximal",
    aliases=("proximal-lr", "adan"),
)
EUCLIDEAN = Convention(
    name="halflife-euclidean",
    title='AdamP of "Decay No More", decay="euclidean"',
    update="w ← (w − lr·m̂/(√v̂ + ε))/(1 + lr·λ/(√v̂ + ε))",
    source="halflife.AdamP; Decay No More, ICLR blog posts 2023",
    defaults=Settings(1e-3, 1e-2),
    aliases=("euclidean",),
    beyond="it removes lr·λ/(√v̂ + ε), another share of each weight: build it as halflife.AdamP",
)
CAUTIOUS = Convention(
    name="halflife-cautious",
    title='decay="cautious"',
    update="w ← (1 − lr·λ·[u·w ≥ 0])w − lr·u",
    source='halflife.AdamW(decay="cautious"); https://arxiv.org/abs/2510.12402',
    defaults=Settings(1e-3, 1e-2),
    aliases=("cautious",),
    beyond='it decays a weight only where the step moves it toward zero: build it by decay="cautious"',
)
ALL = (PROX_LR, EUCLIDEAN, CAUTIOUS)
