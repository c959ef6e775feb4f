"""Hyperball: the weights keep their norm, and the learning rate is the angle of a step

Under weight decay a layer's norm goes where decay and gradients balance, which depends on lr, on λ and on time.
Hyperball (Wen et al. 2026, https://arxiv.org/abs/2606.16899) fixes it: each matrix stays on the sphere of its first
norm R, and each step has the length lr·R. Two settings do that to any rule: `direction="normalized"` for the length,
the regularizer `Sphere()` as a proximal step for the sphere.

What to learn from it: there is no λ left to tune (0 and 0.5 give the same bits), the norm is what it was at first, and
lr says by how many radians a matrix turns in a step at most. What of the step points outward is projected away, which
leaves 0.7 to 0.9 of lr with Adam here, and 0.35 to 1 with Muon. AdamW's angle and norm are what comes of lr, λ and
time. Biases may begin at 0, which has no sphere: they go to a group of their own.

    python examples/hyperball.py            # 15 s
    python examples/hyperball.py --quick    # a smoke test: few steps

It prints:

                             lr  ‖w‖ at first  at the end     angles of the last step  test error
    AdamW, λ 0.5          0.001         9.393      12.544      0.0029, 0.0035, 0.0030       8.7 %
    AdamW, λ 0.5           0.01         9.435      18.799      0.0109, 0.0152, 0.0116      15.9 %
    AdamW, λ 0.5           0.03        10.109      13.753      0.0245, 0.0312, 0.0262      17.3 %
    Adam on spheres       0.001         9.399       9.399      0.0009, 0.0009, 0.0008      26.0 %
    Adam on spheres        0.01         9.399       9.399      0.0077, 0.0085, 0.0084      11.7 %
    Adam on spheres        0.03         9.399       9.399      0.0204, 0.0219, 0.0212      17.1 %
    Muon on spheres       0.001         9.399       9.399      0.0010, 0.0010, 0.0007      25.0 %
    Muon on spheres        0.01         9.399       9.399      0.0061, 0.0068, 0.0036      15.7 %
    Muon on spheres        0.03         9.399       9.399      0.0173, 0.0199, 0.0104      18.8 %
    λ = 0 and λ = 0.5 on spheres: the same bits
"""

import argparse
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.problems import digits
from halflife.regularizers import Sphere

DATA = digits()  # 600 small images, 30 % of their labels wrong; clean ones to test
Make = Callable[[nn.Module, float], torch.optim.Optimizer]


def adamw(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """What it is compared with."""
    return halflife.AdamW(halflife.param_groups(model, weight_decay=0.5), lr=lr)


def hyperball(rule: str, weight_decay: float = 0.0) -> Make:
    """The matrices by that rule on their spheres, biases by AdamW."""

    def make(model: nn.Module, lr: float) -> torch.optim.Optimizer:
        matrices = [p for p in model.parameters() if p.ndim == 2]
        biases = [p for p in model.parameters() if p.ndim < 2]
        ball = {"rule": rule, "direction": "normalized", "decay": "proximal", "regularizer": Sphere()}
        return halflife.AdamW([{"params": matrices, **ball, "weight_decay": weight_decay}, {"params": biases}], lr=lr)

    return make


def train(make: Make, lr: float, steps: int) -> tuple[nn.Module, list[float]]:
    """The model at the end, and the last step's angle of each matrix."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = make(model, lr)
    for _ in range(steps):
        batch = torch.randint(len(DATA.train), (50,))
        cross_entropy(model(DATA.train.inputs[batch]), DATA.train.targets[batch]).backward()
        before = [p.detach().clone() for p in model.parameters() if p.ndim == 2]
        optimizer.step()
        optimizer.zero_grad()
    after = [p.detach() for p in model.parameters() if p.ndim == 2]
    return model, [angle(a.double(), b.double()) for a, b in zip(before, after, strict=True)]


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    """Between two tensors taken as vectors, in radians."""
    a, b = a / a.norm(), b / b.norm()
    return 2 * torch.atan2((a - b).norm(), (a + b).norm()).item()


def main() -> None:
    """AdamW, and two rules on spheres, each at three learning rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    quick = parser.parse_args().quick
    steps = 30 if quick else 400
    print(f"{'':<20}{'lr':>7}{'‖w‖ at first':>14}{'at the end':>12}{'angles of the last step':>28}{'test error':>12}")
    cases = {"AdamW, λ 0.5": adamw, "Adam on spheres": hyperball("Adam"), "Muon on spheres": hyperball("Muon")}
    for name, make in cases.items():
        for lr in (1e-3, 1e-2, 3e-2):
            first, (model, turned) = train(make, lr, 1)[0], train(make, lr, steps)
            lengths = [sum(p.norm() ** 2 for p in m.parameters() if p.ndim == 2) ** 0.5 for m in (first, model)]
            with torch.no_grad():
                wrong = (model(DATA.test.inputs).argmax(-1) != DATA.test.targets).float().mean().item()
            row = f"{name:<20}{lr:>7g}{lengths[0]:>14.3f}{lengths[1]:>12.3f}"
            print(f"{row}{', '.join(f'{x:.4f}' for x in turned):>28}{100 * wrong:>10.1f} %", flush=True)
    a, b = (train(hyperball("Adam", λ), 1e-2, steps)[0].parameters() for λ in (0.0, 0.5))
    same = all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
    print(f"λ = 0 and λ = 0.5 on spheres: {'the same' if same else 'other'} bits")


if __name__ == "__main__":
    main()
