"""From a penalty of 1988 to a schedule of 2025: who found what about weight decay."""

from __future__ import annotations

from ..expressions import figure
from ..paper import Cell, Paper
from .demonstrations import (
    EXAMPLES,
    LAM,
    LR,
    SHARES,
    STEPS,
    TEACHERS,
    WEIGHTS,
    equivalence,
    errors,
    from_smallest,
    reddi,
    student,
)
from .frameworks import show_frameworks
from .topic import Topic

BLOG = "https://iclr-blogposts.github.io/2023/blog/2023/adamw/"


def _beginnings(paper: Paper) -> None:
    paper.heading("1988 and 1991: a penalty, and why it helps")
    paper.prose(
        "Hanson & Pratt (1988), after an idea of Rumelhart's, add a penalty on the weights to the error of "
        "back-propagation, so that a network makes do with fewer hidden units. Krogh & Hertz (1991) prove for a "
        "linear network what it does. First: the examples say nothing about some directions of the weights. Without "
        "decay, what stands there at the start stays for ever; with decay it fades, and what remains is the "
        "smallest weights that solve the problem. Second: where the targets are noisy, a decay of the right size "
        "takes away some of what the noise has taught; the right size grows with the noise. They go on to hidden "
        f"layers and units that are not linear. Here: {WEIGHTS} weights, {EXAMPLES} examples, no noise, 400 steps of "
        "SGD:"
    )
    paper.gap()
    rows: list[tuple[str, ...]] = []
    for λ in (0.0, 0.03):
        s = student(λ)
        rows.append((f"λ = {figure(λ)}", f"{s.before:.3f}", f"{s.after:.3f}"))
    paper.figures(("unseen part", "at first", "after"), rows)
    near = [f"{from_smallest(λ):.4f} for {figure(λ)}" for λ in (0.01, 0.001, 0.0001)]
    paper.prose(
        "The unseen part of the weights is the part at right angles to all examples; the table has its norm. The "
        f"minimum for a λ is near the smallest weights that fit, the nearer the smaller λ: {', '.join(near)}."
    )
    paper.prose(
        f"And the error on new inputs at the minimum for each λ, the mean over {TEACHERS} teachers whose weights have "
        "variance 1; with noise σ the best λ is about σ²/examples, "
        f"{figure(1 / EXAMPLES, 2)} for σ = 1:"
    )
    paper.gap()
    found = [(f"σ = {figure(σ)}", errors(σ)) for σ in (0.0, 1.0)]
    paper.figures(("λ", *map(figure, SHARES)), [(name, *_least(row)) for name, row in found])


def _least(row: list[float]) -> list[Cell]:
    return [((f"{x:.2f}", "green" if x == min(row) else ""),) for x in row]


def _decoupled(paper: Paper) -> None:
    paper.heading("2017 and 2019: L2 and decay are not the same")
    paper.lines(
        [
            "w ← w − lr·(g + λ′·w)    L2",
            "w ← (1 − λ)·w − lr·g    decay as in 1988; the same for λ′ = λ/lr",
        ]
    )
    paper.prose(
        "For plain SGD the two are one, so the names were used for one another, and libraries wrote `weight_decay` "
        "where they add λ·w to the gradient. Loshchilov & Hutter (2017, published 2019) point out that this is no "
        "longer so once the gradient is processed: in Adam, the penalty's gradient is divided by √v̂ too, and "
        "weights of large gradients are decayed less. They take decay out of the gradient: SGDW and AdamW. L2 at "
        f"λ/α and decay at λ, after {STEPS} steps on a quadratic (lr = {figure(LR)}, λ = {figure(LAM)}), end so far "
        "apart:"
    )
    paper.gap()
    paper.figures(("", "difference"), [(name, _rounded(x)) for name, x in equivalence().items()])
    paper.prose(
        "Their claims: AdamW generalizes better than Adam with L2 on images (CIFAR-10, ImageNet at 32 × 32), and "
        "the best λ depends less on lr, so that one search over a plane becomes two along lines. Their λ is "
        "multiplied by the schedule alone; PyTorch's AdamW multiplies it by lr. They also normalize it, λ = "
        "λ_norm·√(b/(B·T)) with batch b, B examples and T epochs, and restart the schedule (AdamWR)."
    )


def _rounded(x: float) -> Cell:
    return ((f"{x:.0e}" if x < 1e-6 else f"{x:.4f}", "green" if x < 1e-12 else ""),)


def _explanations(paper: Paper) -> None:
    paper.heading("2017 to 2022: what does it do?")
    paper.pairs(
        [
            ("van Laarhoven 2017", "With normalization, L2 does not regularize: it sets the effective learning rate."),
            (
                "Zhang et al. 2019",
                "Three mechanisms: with BatchNorm a larger effective learning rate; otherwise about a penalty on "
                "the Jacobian of outputs by inputs; in K-FAC less damping. `halflife explain batchnorm` measures "
                "the first.",
            ),
            (
                "Zhuang et al. 2022",
                "AdamW is to first order a proximal update (`halflife explain taylor`), and scale-free where Adam "
                "with L2 is not (`halflife explain scale-free`). Its advantage is seen where the gradients have "
                "many scales.",
            ),
            (
                "Decay No More 2023",
                "Schaipp's ICLR blog post puts these side by side, writes ProxAdam as a step in Adam's own norm, and "
                "derives AdamP, which takes the penalty in the Euclidean norm (`halflife explain metric`).",
            ),
        ]
    )
    paper.heading("A contradiction")
    paper.prose(
        "Loshchilov & Hutter found AdamW to generalize better than Adam with L2, on a network that has BatchNorm, "
        "as far as their code shows. Zhuang et al. found that with BatchNorm the two are on par, and that the best "
        "λ is 0 there; without BatchNorm AdamW is better. The blog post proposes two explanations. The network: "
        "Loshchilov & Hutter train a ResNet with Shake-Shake branches, Zhuang et al. a plain ResNet. The time: in "
        "Loshchilov & Hutter's curves the gain becomes visible late in training, so that where training is stopped "
        "decides the verdict. `halflife study batchnorm`, `shake-shake` and `blog-resnet20` run both sides; "
        "docs/reproductions says what came of it at a small size."
    )


def _theory(paper: Paper) -> None:
    paper.heading("Convergence")
    adam, ams = reddi(amsgrad=False), reddi(amsgrad=True)
    paper.prose(
        "Reddi, Kale & Kumar (2018) show convex problems on which Adam goes to the worst point, because rare large "
        "gradients are divided by their own size and then forgotten; AMSGrad keeps the largest v̂ and converges. "
        "Theirs, here: losses 3w, −w, −w in turn within −1 ≤ w ≤ 1, whose sum is least at −1; β₁ = 0, β₂ = 0.1, lr "
        "= 0.1. The mean of w over three steps:"
    )
    paper.gap()
    marks = (3, 30, 90, 180, 300)
    rows = [(n, *(figure(sum(w[k - 2 : k + 1]) / 3, 3) for k in marks)) for n, w in (("Adam", adam), ("AMSGrad", ams))]
    paper.figures(("after step", *map(str, marks)), rows)
    paper.prose(
        "Défossez, Bottou, Bach & Usunier (2022) prove that for smooth functions, convex or not, with bounded "
        "gradients, the mean squared gradient gets as small as one likes: with lr ∝ 1/√N and β₂ = 1 − 1/N over N "
        "steps at the rate O(ln N/√N), which is Adagrad's. With the default values, held constant, Adam need not "
        "converge. Both are about Adam without decay; for AdamW the blog post knew of very recent work only."
    )


def _after(paper: Paper) -> None:
    paper.heading("What came after")
    paper.pairs(
        [
            (
                "Kosson et al. 2023",
                "Decay and gradient noise balance in a rotational equilibrium: the angle of a step is √(2·lr·λ).",
            ),
            (
                "Wang & Aitchison 2024",
                "AdamW averages its updates over 1/(lr·λ) steps; in epochs the best such time is about constant over "
                "model and data size.",
            ),
            (
                "Defazio 2025",
                "Gradients swell late in training because ‖g‖/‖w‖ → √(2λ/lr) while lr falls; λ ∝ lr cures it (AdamC, "
                "decay='corrected').",
            ),
            ("Chou 2025", "The weights' norm keeps its course if λ, not multiplied by lr, goes as lr²."),
        ]
    )


def _questions(paper: Paper) -> None:
    paper.heading("The blog post's three questions")
    paper.pairs(
        [
            (
                "1",
                "What is the difference between Adam and AdamW, and is it clear when AdamW is better? Where λ·w "
                "enters: into the gradient, and so into m and v, or beside the step. When it is better is not "
                "settled: in what the post reviews AdamW was better or on par.",
            ),
            (
                "2",
                "Is its decay one more trick? No. It is the ridge, treated by a proximal step rather than by its "
                "gradient: the same regularizer, another treatment. AdamW is that step to first order.",
            ),
            (
                "3",
                "Could there be other formulas? Yes: the prox in the Euclidean norm is AdamP. It minimizes f + λR, "
                "and is not scale-free; AdamW and ProxAdam are scale-free, and need less tuning. In the post's run "
                "both reach the same accuracy, AdamP with a smaller norm.",
            ),
        ]
    )


def _bibliography(paper: Paper) -> None:
    paper.heading("Bibliography")
    paper.bullets(
        [
            "Hanson & Pratt 1988, Comparing Biases for Minimal Network Construction with Back-Propagation, NIPS 1, "
            "https://papers.nips.cc/paper/1988/hash/1c9ac0159c94d8d0cbedc973445af2da-Abstract.html",
            "Krogh & Hertz 1991, A Simple Weight Decay Can Improve Generalization, NIPS 4, "
            "https://papers.nips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html",
            "Kingma & Ba 2015, Adam, https://arxiv.org/abs/1412.6980",
            "van Laarhoven 2017, L2 Regularization versus Batch and Weight Normalization, "
            "https://arxiv.org/abs/1706.05350",
            "Reddi, Kale & Kumar 2018, On the Convergence of Adam and Beyond, https://arxiv.org/abs/1904.09237",
            "Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, https://arxiv.org/abs/1711.05101",
            "Zhang, Wang, Xu & Grosse 2019, Three Mechanisms of Weight Decay Regularization, "
            "https://arxiv.org/abs/1810.12281",
            "Zhuang, Liu, Cutkosky & Orabona 2022, Understanding AdamW through Proximal Methods and Scale-Freeness, "
            "https://arxiv.org/abs/2202.00089",
            "Défossez, Bottou, Bach & Usunier 2022, A Simple Convergence Proof of Adam and Adagrad, "
            "https://arxiv.org/abs/2003.02395",
            f"Schaipp 2023, Decay No More, {BLOG}",
            "Kosson, Messmer & Jaggi 2023, Rotational Equilibrium, https://arxiv.org/abs/2305.17212",
            "Wang & Aitchison 2024, how to set AdamW's weight decay as model and data grow, "
            "https://arxiv.org/abs/2405.13698",
            "Defazio 2025, why gradients rapidly increase near the end of training, https://arxiv.org/abs/2506.02285",
            "Chou 2025, Correction of Decoupled Weight Decay, https://arxiv.org/abs/2512.08217",
        ]
    )


HISTORY = Topic(
    "history",
    "weight decay from 1988 to today",
    "who found what, what contradicts what, what each framework does",
    (_beginnings, _decoupled, _explanations, _theory, _after, show_frameworks, _questions, _bibliography),
)
