"""Rules that divide by the root of past squares, without Adam's mean: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from ..texts import OptimizerText, Setting

Adagrad = OptimizerText(
    name="Adagrad",
    title="each weight divided by the root of all its squared gradients",
    when="sparse features, rare words; convex problems",
    innovation="The first rule with a rate for each weight: the seldom-seen ones take large steps.",
    advantages="Rare features learn as fast as frequent ones; lr matters little; steps on sparse gradients.",
    disadvantages="The sum only grows, so every rate falls to zero, in long runs too soon.",
    best_use="Sparse linear models, embeddings, recommender systems; short runs.",
    avoid="Deep networks in long training: RMSprop and Adam forget, this does not.",
    decay="A coupled penalty is divided by √Σ with the gradient, so its effect fades with the rates.",
    tune=(
        Setting("lr", "0.01–0.1", "forgiving, since D takes up the scale"),
        Setting("initial_accumulator_value", "0–0.1", "tames the very first steps, which are lr·sign(g)"),
        Setting("eps", "1e-10", "keeps D above 0"),
    ),
    source="Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html",
    elsewhere=("TensorFlow starts the accumulator at 0.1, torch at 0.", "lr_decay is torch's; the paper has none."),
    twin="Adagrad",
)

Adadelta = OptimizerText(
    name="Adadelta",
    title="steps in the weights' own units, by the ratio of two running roots",
    when="no wish to choose a learning rate; else RMSprop or Adam",
    innovation="The last steps' own size replaces the learning rate, so that units match: w − (units of w).",
    advantages="Hardly any lr to set; robust to badly scaled gradients; does not die as Adagrad does.",
    disadvantages="Begins slowly, for the first steps have the size of √ε; late in training it may wander; a second "
    "buffer without a mean's benefit.",
    best_use="A first try on a problem of unknown scale.",
    avoid="Whenever Adam works: it is usually faster.",
    decay="D is large in the first steps (no u yet), so `euclidean` begins as slowly as the rule itself.",
    tune=(
        Setting("rho", "0.9–0.95", "how long squares are remembered"),
        Setting("eps", "1e-6", "sets the size of the first steps: √ε"),
        Setting("lr", "1.0", "the paper has none; below 1 it damps"),
    ),
    source="Zeiler 2012, https://arxiv.org/abs/1212.5701",
    elsewhere=("Keras' default learning rate is 0.001, a thousandth of torch's 1.0.",),
    twin="Adadelta",
)

RMSprop = OptimizerText(
    name="RMSprop",
    title="the gradient divided by the root of its running mean square",
    when="recurrent networks and reinforcement learning; Adam without a mean",
    innovation="Adagrad's sum becomes a fading mean, so the rates follow the present gradients.",
    advantages="Steady on losses that change while training; one buffer when plain.",
    disadvantages="Begins with large steps, for nothing corrects v's start at zero: the first is lr/√(1 − α).",
    best_use="Recurrent networks, reinforcement learning, networks trained that way in TensorFlow.",
    avoid="Where Adam's mean of gradients helps, which is mostly.",
    decay="Coupled by torch's habit; decay='decoupled' is what AdamW is to Adam.",
    tune=(
        Setting("lr", "1e-3", "a tenth of torch's default"),
        Setting("alpha", "0.99", "fading of v; the lecture had 0.9"),
        Setting("momentum", "0–0.9", "adds a buffer of u"),
        Setting("eps", "1e-8", "up to 1e-3 with TensorFlow's place of it"),
    ),
    source="Hinton's lecture 6e, 2012; centered: Graves 2013, https://arxiv.org/abs/1308.0850",
    elsewhere=(
        "TensorFlow takes ε into the root, √(v + ε): eps_inside=True. Networks trained there need it.",
        "Its momentum keeps lr inside the buffer; torch's and ours keep it outside.",
    ),
    twin="RMSprop",
)
