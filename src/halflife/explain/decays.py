"""The named decay treatments, explained."""

from __future__ import annotations

from .texts import DecayText

_TEXTS = (
    DecayText(
        "coupled",
        "λ∇R(w) is added to the gradient, before the rule",
        "SGD as everybody runs it; to repeat older results with Adam",
        "The penalty becomes part of the loss, so the rule treats its gradient as any other: momentum carries it on, "
        "and an adaptive rule divides it by D.",
        "With SGD, where it is the same as `independent` at λ·lr while there is neither momentum nor schedule; and to "
        "reproduce what was published with torch's weight_decay.",
        "With adaptive rules: weights whose gradients are large decay least. Sign rules (Lion, Rprop) see "
        "only which of g and λw is the larger.",
        "A penalty's weight: 1e-4 to 5e-4 with SGD. Adam needs another for each problem.",
        "weight_decay of torch's SGD, Adam, RMSprop and the others; AdamL2",
        "Hanson & Pratt 1988; Krogh & Hertz 1991",
    ),
    DecayText(
        "decoupled",
        "w shrinks by lr·λ beside the rule's step",
        "the default with AdamW: what most published recipes mean",
        "Every weight loses the same fraction, whatever its gradients were; that fraction is λ times the learning rate "
        "in force.",
        "To follow a published recipe: torch's AdamW, timm, optax, Keras and most others mean this.",
        "Where a change of lr should leave the decay per step alone: here it scales with lr, and lr = 1e-4 with "
        "λ = 0.01 decays hardly at all (1e-6 a step).",
        "0.01 to 0.1 at lr 1e-3; the fraction lost per step is lr·λ, the timescale 1/(lr·λ) steps.",
        "torch's AdamW; decoupled_weight_decay=True of its Adam, NAdam and RAdam",
        "Loshchilov & Hutter 2019 in PyTorch's form, https://arxiv.org/abs/1711.05101",
    ),
    DecayText(
        "independent",
        "w shrinks by η·λ beside the rule's step; η = lr/(base lr)",
        "the paper's AdamW: no lr in the decay factor",
        "The decay follows the schedule, not the learning rate's size: λ is the fraction of w lost per step while "
        "the schedule stands at 1.",
        "Where λ should mean the same fraction per step at every lr, in groups of different lr too. Whether the best λ "
        "then stays where it is when lr moves is a matter of measurement, and differs from problem to problem.",
        "To follow a recipe written for torch's AdamW without converting: λ here is lr·λ there, a thousandth at 1e-3.",
        "1e-6 to 1e-3: the fraction lost per step; the half-life is 0.69/λ steps.",
        "the AdamW and SGDW of the paper; TensorFlow Addons, which leaves η to you",
        "Loshchilov & Hutter 2019, Algorithm 2, https://arxiv.org/abs/1711.05101",
    ),
    DecayText(
        "proximal",
        "prox_{ηλR} after the rule's step; for the ridge, /(1 + η·λ)",
        "penalties without a gradient (exact zeros); decay that cannot overshoot",
        "Decay as an implicit step: the penalty is taken at the new weights, not at the old ones. To first order in λ "
        "it is `independent`; the step on g is divided too.",
        "With L1, L0, group lasso or bounds; where λ is large; where the loss's scale should not matter.",
        "To repeat a run of torch's AdamW digit by digit.",
        "As for `independent`: 1e-6 to 1e-3, and no λ is too large to be stable.",
        "ProxAdam",
        "Zhuang et al. 2022, https://arxiv.org/abs/2202.00089",
    ),
    DecayText(
        "proximal_lr",
        "prox_{lr·λR} after the rule's step; for the ridge, /(1 + lr·λ)",
        "the classical proximal gradient method; λ as torch's AdamW counts it",
        "The implicit twin of `decoupled`. With SGD it is the textbook's proximal gradient step, which minimises "
        "f + λR whatever R is.",
        "With SGD and any penalty (lasso, bounds); with Adam when a recipe's λ is in torch's units.",
        "Where a change of lr should leave the decay per step alone: see `proximal`.",
        "With SGD the penalty's weight in the loss; with Adam 0.01 to 0.1, as for `decoupled`.",
        "ProxSGD; Adan",
        "Parikh & Boyd 2014; Xie et al. 2022, https://arxiv.org/abs/2208.06677",
    ),
    DecayText(
        "euclidean",
        "prox with a threshold of its own for each weight, lr·λ/D",
        "an adaptive rule that should still minimise f + λR itself",
        "The same metric D scales the gradient's step and the penalty's, so that they balance where ∇f + λ∇R = 0. "
        "`decoupled` and `proximal` balance elsewhere when D differs among weights.",
        "When λR is meant as a term of the objective, as in statistics or sparse regression.",
        "When the loss's scale is arbitrary: multiplying f by c calls for c·λ. Weights with tiny gradients decay most.",
        "A penalty's weight, as for `coupled`; 1e-2 is AdamP's default.",
        "AdamP of the blog post (not Clova's optimizer of that name)",
        "Decay No More, ICLR blog posts 2023",
    ),
    DecayText(
        "corrected",
        "w shrinks by lr·η·λ beside the rule's step",
        "long schedules with normalized layers, where gradients grow at the end",
        "Below a normalization layer the ratio of gradient to weight settles where lr and decay balance; as lr falls, "
        "that balance moves and gradients swell. One more factor of η keeps it in place.",
        "With a schedule that decays far, on layers followed by BatchNorm or LayerNorm.",
        "Without a schedule it is `decoupled`; on unnormalized layers there is nothing to correct.",
        "As for `decoupled`: 0.01 to 0.1 at lr 1e-3.",
        "AdamC; corrected_weight_decay of timm",
        "Defazio 2025, https://arxiv.org/abs/2506.02285",
    ),
    DecayText(
        "cautious",
        "w shrinks by lr·λ, but only where the step goes toward zero too",
        "decay that never works against the rule's own step",
        "A weight that the rule is moving away from zero is left alone; the others shrink as in `decoupled`. So at "
        "rest the decay does not bias the loss's own minimum.",
        "As a replacement of `decoupled` at the same λ, when decay costs final loss.",
        "When small weights as such are the purpose: it decays about half of them at a time.",
        "As for `decoupled`: 0.01 to 0.1 at lr 1e-3.",
        "cautious weight decay",
        "Cautious Weight Decay 2025, https://arxiv.org/abs/2510.12402",
    ),
)

DECAYS: dict[str, DecayText] = {text.name: text for text in _TEXTS}
