"""What the topics' pages say is so, by computations of their own: NumPy, closed forms."""

import math

import numpy as np
import pytest
import torch

from halflife.explain import TOPICS
from halflife.explain.topics import batchnorm, demonstrations, frameworks, metric, prox, scale_free, taylor
from halflife.explain.topics.runs import path, vector

CLOSED = {
    "L2": lambda y, τ: y / (1 + τ),
    "L1": lambda y, τ: np.sign(y) * np.maximum(np.abs(y) - τ, 0),
    "L0": lambda y, τ: np.where(np.abs(y) > math.sqrt(2 * τ), y, 0),
    "ElasticNet": lambda y, τ: np.sign(y) * np.maximum(np.abs(y) - τ / 2, 0) / (1 + τ / 2),
    "Huber": lambda y, τ: np.where(np.abs(y) <= 0.5 * (1 + τ), y / (1 + τ), y - τ * 0.5 * np.sign(y)),
    "Box": lambda y, τ: np.clip(y, -1, 1),
}


def adam(w, gradient, steps, lr, move, betas=(0.9, 0.999), eps=0.0):
    """Adam in NumPy; ``move(w, u, D)`` makes the new weights."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, steps + 1):
        g = gradient(w, t)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        D = np.sqrt(v / (1 - betas[1] ** t)) + eps
        w = move(w, m / (1 - betas[0] ** t) / D, D)
    return w


@pytest.mark.parametrize("R", prox.DRAWN, ids=lambda R: type(R).__name__)
def test_the_pictures_are_the_closed_forms(R):
    plot = prox.curve(R)
    y, x = np.array(plot.points).T
    assert y[0] == -2
    assert y[-1] == 2
    assert np.abs(x - CLOSED[plot.name](y, prox.TAU)).max() < 1e-14


def test_the_lasso_of_the_page_is_the_minimum():
    rows = {name: cells for name, *cells in prox.lasso()}
    A = prox.normal(0, 60, 20).numpy()
    true = np.array([2.0, -1.0, 0.5] + [0.0] * 17)
    b = A @ true + 0.1 * prox.normal(1, 60).numpy()
    w = np.zeros(20)
    for _ in range(60):  # coordinate descent
        for j in range(20):
            rest = b - A @ w + A[:, j] * w[j]
            w[j] = CLOSED["L1"](A[:, j] @ rest / 60, 0.1) / (A[:, j] @ A[:, j] / 60)
    value = ((A @ w - b) ** 2).sum() / 120 + 0.1 * np.abs(w).sum()
    assert rows["prox"][0] == f"{(w == 0).sum()} of 20" == "17 of 20"
    assert float(rows["prox"][2]) == pytest.approx(value, abs=1e-6)
    assert rows["subgradient"][0] == "0 of 20"
    assert float(rows["subgradient"][2]) > value + 1e-3


def test_the_proximal_step_is_the_least_of_its_argmin_form():
    g, λ, lr = prox.START - prox.TARGET, prox.LAM, prox.LR
    closed = CLOSED["L1"]((prox.START - lr * g).numpy(), lr * λ)
    for other in np.linspace(-3, 3, 601):
        more = prox.argmin_form(torch.full_like(g, other), prox.START, g)
        assert (more >= prox.argmin_form(torch.from_numpy(closed), prox.START, g) - 1e-12).all()
    assert "halflife" not in prox.refusal()
    assert "which has no gradient" in prox.refusal()


MOVES = {
    "Adam, no decay": lambda w, u, D: w - 0.02 * u,
    "AdamW": lambda w, u, D: (1 - 0.02 * 0.5) * w - 0.02 * u,
    "ProxAdam": lambda w, u, D: (w - 0.02 * u) / 1.01,
    "AdamP": lambda w, u, D: (w - 0.02 * u) / (1 + 0.02 * 0.5 / D),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("c", [1.0, 10.0])
def test_the_ends_under_a_scale_are_adams(name, c):
    h, a = c * scale_free.CURVATURES.numpy(), scale_free.TARGET.numpy()
    expected = adam(np.zeros(3), lambda w, t: h * (w - a), scale_free.STEPS, 0.02, MOVES[name])
    found = scale_free.end(scale_free.optimizers()[name], torch.full((3,), c, dtype=torch.float64))
    assert np.abs(found.numpy() - expected).max() < 1e-12


def test_who_sees_the_scale_of_the_loss():
    found = scale_free.differences()
    for name in ("Adam, no decay", "AdamW", "ProxAdam"):
        assert max(found[name]) < scale_free.FREE
    assert max(found["AdamP at c·λ"][:2]) < scale_free.FREE
    assert found["AdamP at c·λ"][2] is None
    for name in ("AdamL2", "AdamP", "SGD"):
        assert min(found[name]) > 0.01
    assert min(scale_free.differences(eps=1e-3)["AdamW"]) > 1e-5


def test_the_condition_number_is_nothing_to_a_scale_free_method():
    easy, hard = scale_free.gaps(1.0), scale_free.gaps(1e4)
    assert easy[0] == pytest.approx(hard[0], rel=1e-9)
    assert abs(easy[1] - hard[1]) > 0.01
    assert easy[2] < 1e-9
    slowest = (1 - 2 / (1 + 1e4)) ** scale_free.STEPS
    assert hard[2] == pytest.approx(slowest * math.hypot(1, 0.5, (1 - 200 / 10001) ** 60 / slowest), rel=0.05)


@pytest.mark.parametrize("λ", taylor.AMOUNTS)
def test_what_the_taylor_step_leaves_out(λ):
    w, u = taylor.START.numpy(), (taylor.CURVATURES * (taylor.START - taylor.TARGET)).sign().numpy()
    exact = (w - taylor.LR * u) / (1 + λ) - ((1 - λ) * w - taylor.LR * u)
    assert taylor.apart(taylor.prox_adam(λ), taylor.adam_w(λ), 1) == pytest.approx(np.abs(exact).max(), rel=1e-6)
    assert float(taylor.left_out(λ, taylor.LR).abs().max()) == pytest.approx(np.abs(exact).max(), rel=1e-12)


def test_orders_of_the_taylor_step():
    one, tenth = (
        taylor.apart(taylor.prox_adam(0.1 * η, 0.02 * η), taylor.adam_w(0.1 * η, 0.02 * η), 1) for η in (1, 0.1)
    )
    assert one / tenth == pytest.approx(100, rel=0.12)
    second = [taylor.apart(taylor.adam_p(lr), taylor.first_order(lr), 1) for lr in (0.002, 0.0002)]
    first = [taylor.apart(taylor.adam_p(lr), taylor.adam_l2(lr), 1) for lr in (0.002, 0.0002)]
    assert second[0] / second[1] == pytest.approx(100, rel=0.05)
    assert first[0] / first[1] == pytest.approx(10, rel=0.05)


def test_each_step_solves_its_own_problem_and_no_other():
    own = {"Adam, no decay": 0, "ProxAdam": 1, "AdamP": 2}
    for name in metric.OPTIMIZERS:
        for index, left in enumerate(metric.conditions(name)):
            assert (left < 1e-12) == (own.get(name) == index), (name, index)
            assert left < 1e-12 or left > 0.1
    step = metric.last_step(metric.OPTIMIZERS["AdamP"])
    g1, g2 = metric.GRADIENTS.numpy()
    D = np.sqrt((0.99 * 0.01 * g1**2 + 0.01 * g2**2) / (1 - 0.99**2)) + 1e-8
    m = (0.9 * 0.1 * g1 + 0.1 * g2) / (1 - 0.9**2)
    assert np.abs(step.D.numpy() - D).max() < 1e-14
    after = (step.before.numpy() - 0.1 * m / D) / (1 + 0.1 * 0.5 / D)
    assert np.abs(step.after.numpy() - after).max() < 1e-14


def test_the_lasso_takes_what_the_norm_says():
    for D, same, own, formula in metric.thresholds():
        assert float(same) == pytest.approx(0.05)
        assert own == formula
        assert float(own) == pytest.approx(0.05 / float(D), rel=1e-3)


def test_where_each_comes_to_rest():
    for name in ("AdamP", "AdamL2"):
        assert metric.rest(name).tolist() == pytest.approx([2 / 3] * 3, abs=2e-3)
    found = metric.rest("AdamW")
    for σ, w in zip(metric.NOISE.tolist(), found.tolist(), strict=True):
        assert w == pytest.approx(metric.balance(σ, 0.5), abs=6e-3)
        assert w - 1 + 0.5 * math.hypot(σ, w - 1) * w == pytest.approx(0, abs=1e-2)
    assert found[0] > 0.8
    assert found[2] < 0.45
    assert [float(x) for x in metric.bounded()] == pytest.approx([1, 1.5, 2], abs=0.03)


def test_l2_in_adam_decays_weights_of_large_gradients_least():
    l2, w = metric.left(metric.optim.AdamL2).tolist(), metric.left(metric.optim.AdamW).tolist()
    for σ, x in zip(metric.LEFT_NOISE, l2, strict=True):
        assert x == pytest.approx(math.exp(-1 / σ), abs=0.02)
    assert w == pytest.approx([0.998**500] * 3, abs=0.01)


def test_decay_before_normalization_is_a_learning_rate():
    assert batchnorm.without_decay(1 - batchnorm.LR * batchnorm.LAM, 30) < 1e-13
    assert batchnorm.without_decay(1.0, 30) > 1e-3


def test_the_gradient_under_batchnorm():
    problem, w = batchnorm.Problem(), batchnorm.normal(5, batchnorm.INPUTS)
    data, labels = (x.numpy() for x in problem.batch(7))
    z = data @ w.numpy()
    y, σ = (z - z.mean()) / z.std(), z.std()
    q = -labels / (1 + np.exp(y * labels)) / len(y)
    g = data.T @ (q - q.mean() - y * (q * y).mean()) / σ
    assert np.abs(problem.gradient(w, 7).numpy() - g).max() < 1e-14


def test_the_equilibrium_is_as_predicted():
    norm, angle, _ = batchnorm.settled(batchnorm.sgd)
    assert angle == pytest.approx(math.sqrt(2 * 0.1 * 0.1), rel=0.01)
    assert batchnorm.settled(batchnorm.sgd, 0.3)[0] == pytest.approx(norm, rel=0.02)
    norm, angle, _ = batchnorm.settled(batchnorm.adam_w)
    assert angle == pytest.approx(math.sqrt(2 * 0.01), rel=0.03)
    assert norm == pytest.approx(1.0, rel=0.1)


def test_the_demonstrations_of_1991():
    free, decayed = demonstrations.student(0.0), demonstrations.student(0.03)
    assert free.after == pytest.approx(free.before, rel=1e-9)
    A = demonstrations.normal(0, 15, 20).numpy()
    lr = 15 / np.linalg.svd(A)[1][0] ** 2
    assert decayed.after == pytest.approx(free.before * (1 - lr * 0.03) ** 400, rel=1e-9)
    assert demonstrations.from_smallest(1e-4) == pytest.approx(demonstrations.from_smallest(1e-5) * 10, rel=0.05)
    clean, noisy = demonstrations.errors(0.0), demonstrations.errors(1.0)
    assert min(clean) == clean[0] == pytest.approx(5, rel=0.2)  # 5 directions of variance 1 are never seen
    assert min(noisy) == noisy[demonstrations.SHARES.index(0.1)]


def test_l2_is_decay_for_plain_sgd_alone():
    found = demonstrations.equivalence()
    assert found["SGD"] < 1e-13
    assert min(found["SGD, momentum 0.9"], found["Adam"]) > 0.1


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_on_the_losses_of_2018(amsgrad):
    w, v, largest, expected = 0.0, 0.0, 0.0, [0.0]
    for t in range(1, 301):
        g = 3.0 if t % 3 == 1 else -1.0
        v = 0.1 * v + 0.9 * g * g
        largest = max(largest, v)
        v̂ = (largest if amsgrad else v) / (1 - 0.1**t)
        w = min(1.0, max(-1.0, w - 0.1 * g / math.sqrt(v̂)))
        expected.append(w)
    assert demonstrations.reddi(amsgrad) == pytest.approx(expected, abs=1e-12)
    assert sum(expected[-3:]) / 3 == pytest.approx(-0.965 if amsgrad else 0.956, abs=1e-3)


@pytest.mark.parametrize("name", frameworks.SHOWN)
def test_what_each_framework_takes(name):
    lr, λ = frameworks.LR, frameworks.LAM
    by_factor = {
        "lr": (lr * λ, lr * λ / 10),
        "schedule": (λ, λ / 10),
        "one": (λ, λ),
        "lr*schedule": (lr * λ, lr * λ / 100),
    }
    convention = frameworks.CONVENTIONS[name]
    expected = by_factor[convention.factor]
    if convention.order == "proximal":
        expected = tuple(x / (1 + x) for x in expected)
    assert frameworks.shares(name) == pytest.approx(expected, rel=1e-6)


def test_a_run_leaves_its_start_alone_and_steps_as_told():
    start = vector(1.0, 2.0)
    ws = path(lambda p: torch.optim.SGD(p, lr=0.5), start, lambda w, t: w * t, 2)
    assert [w.tolist() for w in ws] == [[1, 2], [0.5, 1], [0, 0]]
    assert start.tolist() == [1, 2]


def test_every_topic_says_what_it_is():
    assert list(TOPICS) == ["prox", "scale-free", "taylor", "metric", "batchnorm", "history"]
    for name, topic in TOPICS.items():
        assert topic.name == name
        assert topic.title
        assert topic.when
