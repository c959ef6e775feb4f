"""SPEC §4.2: the notebook's worked example, a step of SGD reproduced by hand."""

from __future__ import annotations

import pytest
import torch

import halflife

GRAD1 = [[1.4953, 1.2757, 1.0132, 0.1502], [1.2270, 1.9302, 0.6604, 1.8370]]
GRAD2 = [1.0079, 2.6933e-4, 1.0688, 1.1233]
AFTER1 = [[0.5966, 0.5090, 0.4043, 0.0599], [0.4896, 0.7701, 0.2635, 0.7330]]
AFTER2 = [0.4777, 0.0094, 0.4888, 0.4984]
SETTINGS = {"lr": 0.1, "momentum": 0.5, "dampening": 1.0, "weight_decay": 0.02}


def parameters() -> tuple[torch.Tensor, torch.Tensor]:
    p1 = torch.tensor(GRAD1, dtype=torch.float64) / 2
    p2 = (torch.tensor(GRAD2, dtype=torch.float64) / 3).sqrt()
    return p1.requires_grad_(), p2.requires_grad_()


def step(module) -> tuple[torch.Tensor, torch.Tensor]:
    p1, p2 = parameters()
    optimizer = module.SGD([p1, p2], **SETTINGS)
    ((p1**2).sum() + (p2**3).sum()).backward()
    optimizer.step()
    return p1, p2


def test_gradient_is_twice_p1() -> None:
    p1, p2 = parameters()
    ((p1**2).sum() + (p2**3).sum()).backward()
    assert torch.equal(p1.grad, 2 * p1.detach())


def test_printed_figures() -> None:
    p1, p2 = step(halflife)
    # p2's second entry comes from a printed gradient of five digits through a root; all hold to the printed digits
    assert p1.detach().numpy() == pytest.approx(torch.tensor(AFTER1).numpy(), abs=1.0001e-4 / 2)
    assert p2.detach().numpy() == pytest.approx(torch.tensor(AFTER2).numpy(), abs=1.0001e-4 / 2)


def test_by_hand_and_torch_to_the_last_bit() -> None:
    ours, theirs = step(halflife), step(torch.optim)
    for before, after, reference in zip(parameters(), ours, theirs, strict=True):
        g = 2 * before.detach() if before.dim() == 2 else 3 * before.detach() ** 2
        by_hand = before.detach() - 0.1 * (g + 0.02 * before.detach())
        assert torch.equal(after, reference)
        assert (after.detach() - by_hand).abs().max() <= 1.2e-16
