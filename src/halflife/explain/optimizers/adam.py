"""Adam under four treatments of its decay, and one more: Adam, AdamL2, AdamW, ProxAdam, AdamP."""

from __future__ import annotations

from dataclasses import replace

from ..texts import OptimizerText, Setting

_KINGMA = "Kingma & Ba 2015, https://arxiv.org/abs/1412.6980; AMSGrad: https://arxiv.org/abs/1904.09237"
_LR = Setting("lr", "1e-3 (1e-4–3e-3)", "tune it first; warm up over the first hundreds of steps")
_BETAS = Setting("betas", "(0.9, 0.999)", "β₂ = 0.95–0.98 for transformers and noisy large batches")
_EPS = Setting("eps", "1e-8", "larger (1e-6–1e-4) where gradients are tiny; beside √v̂, not in it")
_EPS_HAT = (
    "Keras, TF Addons, fairseq and HF's former AdamW add ε to √v before its bias is corrected: the same as an ε of "
    "ε/√(1−β₂ᵗ) here, much larger in the first steps. Keras' default is 1e-7."
)

Adam = OptimizerText(
    name="Adam",
    title="the gradients' mean over the root of their mean square",
    when="no decay wanted, or coupled results to repeat; else AdamW",
    innovation="Momentum and RMSprop at once, both freed of their start at zero.",
    advantages="Works on most problems near its defaults; indifferent to the loss's scale; quick at first.",
    disadvantages="Two buffers; its weight_decay is coupled, and decays least where gradients are large; may end at a "
    "worse test error than tuned SGD.",
    best_use="A first try on nearly anything; generative models; without decay.",
    avoid="With weight_decay above 0, unless you mean coupled L2: take AdamW.",
    decay="Coupled, as in torch: λw is divided by √v̂ together with g.",
    tune=(_LR, _BETAS, _EPS, Setting("weight_decay", "0", "coupled: prefer AdamW")),
    source=_KINGMA,
    elsewhere=(
        "The same name means decoupled decay elsewhere: Keras' Adam(weight_decay=…), fairseq's adam and DeepSpeed's "
        '"Adam" are AdamW. In torch it is coupled unless decoupled_weight_decay=True.',
        _EPS_HAT,
    ),
    twin="Adam",
)

AdamL2 = replace(
    Adam,
    name="AdamL2",
    title="Adam with L2 in the loss, under the name that papers give it",
    when="the baseline that AdamW is compared with",
    innovation="None: it is what weight_decay of torch's Adam does, said aloud.",
    advantages="The penalty is a true term of the loss, and scores compare with older papers.",
    disadvantages="Decays weights with large gradients least; the best λ moves with the problem's scale.",
    best_use="Comparisons, and repeating older results.",
    avoid="Anything else: AdamW or ProxAdam.",
    decay="λw passes through m and is divided by √v̂: a weight with hundredfold gradients decays a hundredth as much.",
    tune=(_LR, Setting("weight_decay", "1e-5–1e-2", "no value carries over from SGD or AdamW"), _BETAS, _EPS),
)

AdamW = OptimizerText(
    name="AdamW",
    title="Adam whose decay stands beside the step",
    when="the default: transformers, fine-tuning, nearly everything",
    innovation="Decay leaves the gradient: every weight shrinks by the same fraction, whatever its gradients.",
    advantages="Decays every weight by the fraction that λ says; most recipes of today are written for it.",
    disadvantages="In torch's form the decay is lr·λ, so each change of lr changes it; two buffers.",
    best_use="Transformers, vision and language, fine-tuning; the first thing to try.",
    avoid="Exact zeros or bounds (ProxAdam); a decay factor without lr (decay='independent').",
    decay="decay='independent' is the paper's form: λ there is lr·λ here, 1e-5 for torch's defaults.",
    tune=(
        _LR,
        Setting("weight_decay", "0.01–0.1", "0.1 for large transformers; none on biases and norms"),
        _BETAS,
        _EPS,
    ),
    source="Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101",
    elsewhere=(
        "torch, timm, optax, Keras, apex and fairseq's adam multiply λ by lr; the paper's code, Composer's "
        "decouple_lr and TF Addons do not, and TF Addons leaves the schedule of λ to you.",
        "HF's former AdamW and bitsandbytes on CUDA decay after the step, (w − lr·u)(1 − lr·λ).",
        _EPS_HAT,
    ),
    twin="AdamW",
)

ProxAdam = replace(
    AdamW,
    name="ProxAdam",
    title="Adam whose decay is a proximal step",
    when="sparse weights or bounds with Adam",
    innovation="Decay as an implicit step in Adam's own norm; AdamW is its first-order approximation.",
    advantages="Takes any regularizer (L1, L0, GroupLasso, Box); stable for any λ; scale-free at ε = 0; no lr in "
    "the decay factor.",
    disadvantages="Little to gain over AdamW with a small ridge; λ has to be converted from torch's.",
    best_use="regularizer=L1() or GroupLasso() for exact zeros; grids over lr × λ.",
    avoid="Repeating a run of torch's AdamW digit by digit.",
    decay="λ here is lr·λ of torch's AdamW, to first order.",
    tune=(_LR, Setting("weight_decay", "1e-6–1e-3", "per step; torch's AdamW defaults amount to 1e-5"), _BETAS, _EPS),
    source="Zhuang et al. 2022, https://arxiv.org/abs/2202.00089",
    elsewhere=("torch has none.", "The paper writes η_t for lr/(base lr), as this library does."),
    twin=None,
)

AdamP = replace(
    ProxAdam,
    name="AdamP",
    title="Adam with a prox in the Euclidean norm",
    when="when λR is a term of the objective that Adam should respect",
    innovation="The metric D scales the penalty's step as it scales the gradient's, so both balance at ∇f + λ∇R = 0.",
    advantages="Rests at the minimum of f + λR itself; takes separable regularizers and the group lasso.",
    disadvantages="Not scale-free: f multiplied by c calls for c·λ; weights with tiny gradients decay most.",
    best_use="Penalised regression, sparse models with a λ that has a meaning.",
    avoid="A plain replacement of AdamW: the two want different λ.",
    decay="The threshold lr·λ/D differs from weight to weight.",
    tune=(_LR, Setting("weight_decay", "1e-4–1e-1", "the penalty's weight in the objective"), _BETAS, _EPS),
    source="Decay No More, ICLR blog posts 2023",
    elsewhere=("Clova's AdamP (timm, adamp) is another optimizer, which projects the decay.", "torch has none."),
)
