"""Variants of Adam and rules of the sign: NAdam, RAdam, Adamax, SparseAdam, Rprop, Lion."""

from __future__ import annotations

from ..texts import OptimizerText, Setting

_BETAS = Setting("betas", "(0.9, 0.999)", "as for Adam")
_WD = Setting("weight_decay", "0, or 0.01 decoupled", "coupled unless you say decay='decoupled'")

NAdam = OptimizerText(
    name="NAdam",
    title="Adam with Nesterov's look ahead",
    when="in Adam's place when it converges a little too slowly",
    innovation="The mean is used as it will stand one step ahead, under a momentum that grows with the clock.",
    advantages="Often somewhat faster than Adam at the same settings; a built-in warm-up of the momentum.",
    disadvantages="One more constant, ψ; sharper steps can need a smaller lr; the gain is rarely large.",
    best_use="Recurrent networks, small models, where Adam already works.",
    avoid="Recipes tuned for Adam: retune lr first.",
    decay="Coupled by default; decay='decoupled' is NAdamW, which torch has as decoupled_weight_decay=True.",
    tune=(
        Setting("lr", "1e-3–2e-3", "torch's default is twice Adam's"),
        _BETAS,
        Setting("momentum_decay", "4e-3", "ψ: how fast the momentum reaches β₁"),
        _WD,
    ),
    source="Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
    elsewhere=("timm's NAdamW is NAdam with decay='decoupled'.", "m itself fades by β₁, not by μ, as in torch."),
    twin="NAdam",
)

RAdam = OptimizerText(
    name="RAdam",
    title="Adam that waits until its second moment can be trusted",
    when="Adam without a warm-up",
    innovation="While v rests on too few gradients it is not used; then a factor r fades it in.",
    advantages="Needs no warm-up schedule; calmer in the first steps.",
    disadvantages="The first steps are momentum SGD at Adam's lr, which is slow or harsh, by the gradients' scale.",
    best_use="Where warm-up cannot be tuned.",
    avoid="Recipes that warm up already: then it is Adam.",
    decay="Coupled by default; while D = 1 a coupled λ acts as in SGD.",
    tune=(Setting("lr", "1e-3", "as for Adam, without the warm-up"), _BETAS, _WD),
    source="Liu et al. 2020, https://arxiv.org/abs/1908.03265",
    elsewhere=(
        "The paper rectifies from ρ > 4 on, torch and this library from ρ > 5.",
        "ε stands beside the uncorrected root here as in torch.",
    ),
    twin="RAdam",
)

Adamax = OptimizerText(
    name="Adamax",
    title="Adam in the infinity norm",
    when="gradients with rare spikes; embeddings",
    innovation="A fading maximum of |g| replaces the root of the mean square.",
    advantages="Steps never exceed lr by much; D needs no bias correction; one huge gradient does no harm.",
    disadvantages="After a spike the weight hardly moves for about 1/(1 − β₂) steps.",
    best_use="Embeddings, sparse or spiky gradients.",
    avoid="Where a single outlier should be forgotten soon.",
    decay="Coupled by default; the maximum takes g + λw then.",
    tune=(Setting("lr", "1e-3–2e-3", "torch's default is twice Adam's"), _BETAS, _WD),
    source="Kingma & Ba 2015, section 7.1, https://arxiv.org/abs/1412.6980",
    elsewhere=("torch adds ε to |g|; the paper has no ε.",),
    twin="Adamax",
)

SparseAdam = OptimizerText(
    name="SparseAdam",
    title="Adam on the rows that a batch names",
    when="large embeddings with sparse=True",
    innovation="Only what a sparse gradient names is read and written: its weights, its averages, and no others.",
    advantages="A step costs what the batch names, not what the table holds.",
    disadvantages="Averages stand still between two meetings, though t runs on; no decay; dense gradients are refused.",
    best_use="torch.nn.Embedding(sparse=True) with many rows of which a batch meets few.",
    avoid="Dense gradients, which Adam takes, and rows that are to decay.",
    decay="None: it would move all weights, or only those that a batch happens to name. For rows that decay take dense "
    "gradients, or SGD with an explicit or implicit decay, which takes sparse ones.",
    tune=(Setting("lr", "1e-3", "as for Adam"), _BETAS),
    source="Kingma & Ba 2015, https://arxiv.org/abs/1412.6980",
    elsewhere=(
        "torch adds ε to √v before its bias is corrected, as here; its Adam adds it after.",
        "TensorFlow Addons' LazyAdam does much the same.",
    ),
    twin="SparseAdam",
)

Rprop = OptimizerText(
    name="Rprop",
    title="only the gradient's sign counts, and each weight keeps its own step size",
    when="whole-batch training of small networks",
    innovation="Step sizes that grow while a gradient's sign holds and are halved when it flips.",
    advantages="No learning rate to tune; blind to the gradients' scale; very quick on whole batches.",
    disadvantages="With mini-batches signs flip by chance, and the steps shrink away.",
    best_use="Small networks, fits and inverse problems with exact gradients.",
    avoid="Mini-batches. And schedulers: lr is read once, as the first step size.",
    decay="Coupled decay only tips signs; the others shrink w by lr·λ or η·λ, though lr moves no step after the first.",
    tune=(
        Setting("lr", "1e-2", "first step size, soon forgotten"),
        Setting("etas", "(0.5, 1.2)", "shrink and growth"),
        Setting("step_sizes", "(1e-6, 50)", "bounds of the step size; a lower top steadies it"),
    ),
    source="Riedmiller & Braun 1993, https://doi.org/10.1109/ICNN.1993.298623",
    elsewhere=("torch's variant, as here, forgets a flipped gradient (iRprop−); its Rprop takes no weight_decay.",),
    twin="Rprop",
)

Lion = OptimizerText(
    name="Lion",
    title="the sign of an average that leans on the newest gradient",
    when="large batches, large models, half of Adam's state",
    innovation="Found by a search over programs: sign(momentum), with one average for the step and one for the memory.",
    advantages="One buffer; every weight moves by exactly lr; quick on large vision and language models.",
    disadvantages="Steps do not get smaller near an optimum, only lr does; noisy with small batches.",
    best_use="Large batches with a decaying schedule and strong decay.",
    avoid="Small batches; constant lr.",
    decay="lr is 3 to 10 times smaller than AdamW's, so λ is as much larger for the same lr·λ.",
    tune=(
        Setting("lr", "1e-4 (3e-5–3e-4)", "3 to 10 times below AdamW's"),
        Setting("weight_decay", "0.1–1", "3 to 10 times AdamW's"),
        Setting("betas", "(0.9, 0.99)", "(0.95, 0.98) steadies training"),
    ),
    source="Chen et al. 2023, https://arxiv.org/abs/2302.06675",
    elsewhere=("torch has none; optax, timm and lion-pytorch shrink by lr·λ as here.",),
)
