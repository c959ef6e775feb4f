"""Loshchilov & Hutter's paper, as its algorithms are printed; their code is another file."""

from ..convention import Convention, Settings

PAPER = Convention(
    name="paper",
    title="AdamW, Algorithm 2",
    update="w ← (1 − η·λ)w − lr·m̂/(√v̂ + ε), η = lr/base lr",
    source="Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101, Algorithm 2; by formula",
    defaults=Settings(1e-3, 1e-5),
    factor="schedule",
    aliases=("independent", "algorithm-2"),
    notes=("The paper gives no default λ; 1e-5 removes in a step what PyTorch's 1e-2 does at lr = 1e-3.",),
)
SGDW = Convention(
    name="paper-sgdw",
    title="SGDW, Algorithm 1",
    update="b ← μb + lr·g, w ← (1 − η·λ)w − b",
    source="Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101, Algorithm 1; by formula",
    defaults=Settings(0.1, 1e-5, momentum=0.9),
    rule="sgd",
    factor="schedule",
    lr_place="inside",
    notes=("The learning rate stands inside the momentum, unlike PyTorch's and unlike the authors' own code.",),
)
ALL = (PAPER, SGDW)
