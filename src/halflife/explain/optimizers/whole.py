"""Optimizers that look at more than one weight at a time: Muon, Adafactor, LBFGS."""

from __future__ import annotations

from ..texts import OptimizerText, RuleText, Setting

_LIU = "with match_rms_adamw (0.2·√max(rows, columns)): Liu et al. 2025, https://arxiv.org/abs/2502.16982"

Muon = OptimizerText(
    name="Muon",
    title="momentum of a matrix, its singular values brought near 1",
    when="the matrices inside a large network, with AdamW for all else",
    innovation="A matrix steps as one: UVᵀ in place of UΣVᵀ, so that rare directions move as far as common ones.",
    advantages="One buffer, half of Adam's state; indifferent to the gradients' scale; in pretraining it often needs "
    "fewer steps than AdamW.",
    disadvantages="Takes matrices only, so another rule has to step the rest; fifteen products of matrices a step; no "
    "matrix can be cut and stepped in parts.",
    best_use="Hidden layers of transformers; convolutions with matrices='flattened'; large batches.",
    avoid="Embeddings, heads, norms, biases: no matrices, or matrices whose rows are met one by one. Fine-tuning what "
    "AdamW trained is worth a comparison first.",
    decay="(1 − lr·λ) has lr itself, never lr·ρ. With adjust_lr_fn='match_rms_adamw' steps are as large as AdamW's, "
    "and AdamW's lr and λ may be kept. There is no diagonal metric, so `euclidean` is refused.",
    tune=(
        Setting("lr", "0.02; AdamW's with match_rms_adamw", "by factors of 3; torch's default of 1e-3 is small"),
        Setting("weight_decay", "0.1", "as AdamW's: lr·λ is the share lost per step"),
        Setting("adjust_lr_fn", "match_rms_adamw", "the step's scale by the matrix's shape; None is 'original'"),
        Setting("momentum", "0.95", "the share of the old average that stays"),
        Setting("ns_steps", "5", "products a step; fewer leave the singular values further from 1"),
    ),
    source=f"Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; {_LIU}",
    elsewhere=(
        "Jordan's text adds gradients up, b ← μb + g; torch's code, as this library, averages them. The direction is "
        "the same, for the scale of v is divided out.",
        "Papers give lr for a scale of their own: 0.02 goes with 'original'; Moonlight's recipe is 'match_rms_adamw'.",
        "optax.contrib.muon gives what is no matrix to Adam; here that is a group with rule='Adam', and "
        "halflife.param_groups(model, matrix='muon', …) makes the groups.",
    ),
    twin="Muon",
)

Adafactor = OptimizerText(
    name="Adafactor",
    title="Adam's second moment as a row and a column, steps relative to the weights",
    when="memory is short: hardly any state",
    innovation="The mean squares of A × B weights are kept as A + B numbers: the means of rows times those of columns.",
    advantages="State of almost no size; no momentum to keep; steps in the weights' own scale, clipped where an "
    "average lags behind.",
    disadvantages="A product of a row and a column is a rough picture of v; without momentum it is often slower than "
    "Adam; lr means something else, so no recipe of Adam's carries over.",
    best_use="Models whose Adam states would not fit; T5 and what descends from it.",
    avoid="Where 8-bit states of AdamW (state_dtype='8bit') fit: they keep Adam's behaviour.",
    decay="Decoupled: (1 − lr·λ) has lr itself, while the step has min(lr, 1/√t) and the weights' size.",
    tune=(
        Setting("lr", "1e-3–1e-1", "the largest relative step: the share of its size by which a weight moves"),
        Setting("beta2_decay", "−0.8", "c in 1 − β₂ = t^c: averages grow longer with the clock"),
        Setting("d", "1.0", "the root mean square of U from which it is clipped"),
        Setting("weight_decay", "0", "with lr 1e-2, λ = 0.01 takes 1e-4 a step"),
    ),
    source="Shazeer & Stern 2018, https://arxiv.org/abs/1804.04235",
    elsewhere=(
        "The paper adds ε₁ to g²; torch, as here, bounds the estimate by it. torch's lr is the paper's 0.01.",
        "Hugging Face's, timm's and optax's add ε₁ = 1e-30 to g² and have settings of their own (relative steps, "
        "momentum, warm-up): they are not the same step.",
    ),
    twin="Adafactor",
)

LBFGS = OptimizerText(
    name="LBFGS",
    title="a quasi-Newton step from the last differences of weights and gradients",
    when="smooth losses on whole batches: fits, inverse problems, logistic regression",
    innovation="The curvature is read off how gradients changed between the last steps: H, never written down.",
    advantages="Few iterations near an optimum; with a line search no learning rate to tune.",
    disadvantages="Wants the same loss at each evaluation; several evaluations a step; up to 2·history_size copies of "
    "all weights.",
    best_use="Small and middling problems with exact gradients, where digits matter.",
    avoid="Mini-batches and dropout: differences of noise are no curvature.",
    decay="Part of the loss: f = loss + λ·ΣR(w), for a line search compares values. So `coupled` is the only one, "
    "and R must have a gradient; clipping, averages and formats of states are refused, each with its reason.",
    tune=(
        Setting("line_search_fn", "'strong_wolfe'", "finds t; without it t = lr and a step may climb"),
        Setting("max_iter", "20–100", "iterations in a call of step(closure)"),
        Setting("history_size", "10–100", "pairs of differences that H is made of"),
        Setting("lr", "1", "the first t that the search tries; below 1 without one"),
        Setting("weight_decay", "1e-4–1e-1", "the penalty's weight in the objective"),
    ),
    source="Nocedal 1980, https://doi.org/10.1090/S0025-5718-1980-0572855-7; "
    "Liu & Nocedal 1989, https://doi.org/10.1007/BF01589116",
    elsewhere=(
        "torch.optim.LBFGS has no weight_decay: there the penalty is written into the closure.",
        "SciPy's L-BFGS-B takes bounds too; here bounds are a prox, as ProxSGD's with regularizer=Box().",
    ),
    twin="LBFGS",
    example={"max_iter": 3},
    own=RuleText(
        equations=(
            "s = w − w₋,  y = g − g₋        from one iteration to the next",
            "H = (s·y)/(y·y)                the newest pair",
            "H ← (1 − s·yᵀ/(s·y))·H·(1 − y·sᵀ/(s·y)) + s·sᵀ/(s·y)    pair by pair, the newest last",
            "u = H·g                        H = 1 at first",
            "t = lr | lr·min(1, 1/‖g‖₁)     at first the second; or by a search for the strong Wolfe conditions",
        ),
        letters=(
            ("s, y", "the last history_size differences of w and of g"),
            ("H", "the inverse curvature, applied pair by pair"),
            ("t", "the length of the step, not the clock"),
        ),
        u="H·g",
        given="H from the last differences",
        move="{w} − t·u",
        flat=True,
    ),
)
