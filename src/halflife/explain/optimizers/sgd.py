"""SGD and what is SGD with another decay or an average: SGD, SGDW, ProxSGD, ASGD."""

from __future__ import annotations

from ..texts import OptimizerText, Setting

_SUTSKEVER = "Polyak 1964; Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html"
_MOMENTUM = Setting("momentum", "0.9", "how much of the last direction is kept; 1/(1 − μ) gradients count")
_NESTEROV = Setting("nesterov", "True with momentum", "looks a step ahead; often a little better, never costly")

SGD = OptimizerText(
    name="SGD",
    title="stochastic gradient descent, with Polyak's or Nesterov's momentum",
    when="convolutional networks with time to tune lr; the cheapest state",
    innovation="A gradient of a few samples replaces the whole one; momentum adds up what successive ones agree on.",
    advantages="One buffer at most; nothing hidden; with a tuned schedule often the best test error on images.",
    disadvantages="One rate for all weights: badly scaled layers, rare features and transformers go slowly, and lr has "
    "to be found anew for each problem.",
    best_use="Convolutional networks on images; convex problems; wherever memory is short.",
    avoid="Transformers, embeddings with rare words, anything where gradients differ by orders among layers.",
    decay="Coupled and decoupled decay agree for plain SGD at λ′ = λ/lr. With momentum μ a coupled λ settles at about "
    "lr·λ/(1 − μ) a step.",
    tune=(
        Setting("lr", "0.01–0.1", "tune it first, by factors of 3; then a cosine or step schedule"),
        _MOMENTUM,
        _NESTEROV,
        Setting("weight_decay", "1e-4–5e-4", "larger for small data sets"),
        Setting("dampening", "0", "torch's own; at 1 no gradient after the first enters the buffer"),
    ),
    source=_SUTSKEVER,
    elsewhere=(
        "torch: the learning rate stands outside the buffer and the first buffer is the bare gradient. Papers often "
        "write b ← μb + lr·g; the two part ways as soon as lr moves.",
        "Keras' SGD(weight_decay=…) is not coupled: it shrinks w by lr·λ, as decay='decoupled' does here.",
    ),
    twin="SGD",
    example={"momentum": 0.5, "dampening": 1.0},
)

SGDW = OptimizerText(
    name="SGDW",
    title="SGD with momentum whose decay stands beside the step",
    when="SGD whose decay per step does not contain lr",
    innovation="Decay leaves the gradient, so momentum no longer carries it on and lr no longer scales it.",
    advantages="λ is the fraction of w lost per step, whatever lr is and whatever momentum adds up.",
    disadvantages="Recipes written for SGD's weight_decay have to be converted.",
    best_use="Grids over lr × λ in which a row keeps its decay per step.",
    avoid="Repeating a published SGD run: SGD has its weight_decay.",
    decay="λ of coupled SGD times lr/(1 − μ) is about the λ here: 5e-4·0.1/(1 − 0.9) = 5e-4.",
    tune=(
        Setting("lr", "0.01–0.1", "as for SGD"),
        _MOMENTUM,
        Setting("weight_decay", "1e-5–1e-3", "fraction lost per step at the schedule's peak"),
    ),
    source="Loshchilov & Hutter 2019, Algorithm 1, https://arxiv.org/abs/1711.05101",
    elsewhere=(
        "The paper keeps the learning rate inside the momentum (m ← βm + lr·g); this is torch's momentum. They differ "
        "once lr moves.",
        "timm's SGDW shrinks by lr·λ: decay='decoupled' here.",
        "torch has no SGDW.",
    ),
    example={"momentum": 0.9},
)

ProxSGD = OptimizerText(
    name="ProxSGD",
    title="the proximal gradient method",
    when="lasso, bounds and other penalties without a gradient, by SGD",
    innovation="A gradient step on the loss, then an exact step on the penalty: prox instead of a subgradient.",
    advantages="Exact zeros and bounds that hold; minimises f + λR, whatever R is; stable for any λ.",
    disadvantages="One rate for all weights, as in SGD; with small lr the zeros take many steps to appear.",
    best_use="Sparse linear models and the like, with regularizer=L1(), GroupLasso() or Box().",
    avoid="A plain ridge: SGD's weight_decay does the same at less thought.",
    decay="τ = lr·λ makes λ the penalty's weight in the objective.",
    tune=(
        Setting("lr", "0.01–0.1", "below 2/L, L the loss's curvature, for a sure descent"),
        Setting("weight_decay", "1e-4–1e-1", "the penalty's weight; more of it, more zeros"),
        _MOMENTUM,
    ),
    source="Parikh & Boyd 2014, Proximal Algorithms, https://doi.org/10.1561/2400000003",
    elsewhere=("torch has none; known as ISTA for the lasso, and as forward–backward splitting.",),
)

ASGD = OptimizerText(
    name="ASGD",
    title="SGD whose rate falls by itself, and the average of its weights",
    when="convex problems and language models of old; read the average from the state",
    innovation="The average of all iterates lies nearer the optimum than the last one, and allows larger steps.",
    advantages="Optimal in the limit for convex losses without a tuned schedule; the noise averages out.",
    disadvantages="The average is kept beside the weights (state['ax']), and with the default t0 it never begins.",
    best_use="Convex problems; recurrent language models, with t0 set to the step at which validation stalls.",
    avoid="Deep networks from scratch: any optimizer with a schedule and ema_decay=0.999 gives the average as well.",
    decay="λ_d (lambd) shrinks the weights as well, by λ_d·γ a step, whatever the weight decay.",
    tune=(
        Setting("lr", "0.01", "the first rate; it falls by itself"),
        Setting("t0", "end of the transient", "step at which averaging begins; the default waits for a million"),
        Setting("lambd", "1e-4", "how fast the rate falls, and a decay of its own"),
        Setting("alpha", "0.75", "the power with which it falls; between ½ and 1"),
    ),
    source="Polyak & Juditsky 1992, https://doi.org/10.1137/0330046",
    elsewhere=(
        "Some texts print the rate as 1/(γ(1 + λγt)ᵃ); γ belongs in the numerator, as in torch's code.",
        "torch.optim.swa_utils averages any optimizer's weights; here ema_decay= and averaged() do.",
    ),
    twin="ASGD",
)
