"""What is drawn in Shake-Shake: for whom, when, and how it enters forwards and backwards."""

import copy

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from halflife.lab.models import shake_shake
from halflife.lab.models.shake_shake import Mix, _shaken


def tiny():
    """A network, and images for it."""
    torch.manual_seed(0)
    return torch.func.replace_all_batch_norm_modules_(shake_shake(4, depth=8, classes=3)), torch.randn(4, 3, 8, 8)


def test_shaken_is_mixed_by_alpha_forward_and_by_beta_backward():
    a, b = (torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    alpha, beta = torch.rand(2, 3, 1, 1, 1, dtype=torch.float64)
    g = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    mixed = Mix.apply(a, b, alpha, beta)
    torch.testing.assert_close(mixed, alpha * a + (1 - alpha) * b)
    mixed.backward(g)
    torch.testing.assert_close(a.grad, beta * g)
    torch.testing.assert_close(b.grad, (1 - beta) * g)
    assert torch.autograd.gradcheck(lambda a, b: Mix.apply(a, b, alpha, alpha), (a, b)), "a plain mixture when β = α"


def test_each_image_is_shaken_by_a_number_of_its_own():
    torch.manual_seed(0)
    n = 4000
    a = torch.ones(n, 2, 2, 2, requires_grad=True)
    mixed = _shaken(a, torch.zeros(n, 2, 2, 2))
    mixed.sum().backward()
    for value in (mixed.detach(), a.grad):
        numbers = value[:, 0, 0, 0]
        assert torch.equal(value, numbers[:, None, None, None].expand_as(value)), "the same for an image's pixels"
        assert numbers.unique().numel() > 0.99 * n
        assert numbers.mean().item() == pytest.approx(0.5, abs=0.02)
        assert numbers.std().item() == pytest.approx(12**-0.5, abs=0.01)
    together = torch.stack([mixed.detach()[:, 0, 0, 0], a.grad[:, 0, 0, 0]])
    assert abs(torch.corrcoef(together)[0, 1]) < 0.06, "β is drawn anew"


def test_shake_shake_is_random_in_training_and_even_in_evaluation():
    model, inputs = tiny()
    assert not torch.equal(model(inputs), model(inputs))
    block = model.stages[0][0]
    model.eval()
    x = torch.randn(2, 16, 8, 8)
    first, second = (branch(x) for branch in block.branches)
    torch.testing.assert_close(block(x), block.shortcut(x) + 0.5 * first + 0.5 * second)
    torch.manual_seed(5)
    model.train()
    one = model(inputs)
    torch.manual_seed(5)
    assert torch.equal(model(inputs), one)


def test_shake_shake_under_vmap_draws_for_each_replica():
    model, inputs = tiny()
    weights, _ = stack_module_state([copy.deepcopy(model) for _ in range(2)])

    def loss(one):
        return cross_entropy(functional_call(model, one, (inputs,)), torch.tensor([0, 2, 1, 0]))

    torch.manual_seed(0)
    found = vmap(grad(loss), randomness="different")(weights)
    alike = vmap(grad(loss), randomness="same")(weights)
    assert all(not torch.equal(g[0], g[1]) for g in found.values())
    for g in alike.values():
        torch.testing.assert_close(g[0], g[1])
    torch.manual_seed(0)
    again = vmap(grad(loss), randomness="different")(weights)
    assert all(torch.equal(again[key], found[key]) for key in found)


def test_the_shifted_shortcut_sees_the_pixels_up_and_left():
    shortcut = shake_shake(4, depth=8).stages[1][0].shortcut
    x = torch.rand(1, 4, 6, 6)
    seen = {}
    shortcut.straight.register_forward_pre_hook(lambda _, args: seen.update(straight=args[0]))
    shortcut.shifted.register_forward_pre_hook(lambda _, args: seen.update(shifted=args[0]))
    assert shortcut(x).shape == (1, 8, 3, 3)
    assert torch.equal(seen["straight"], x[:, :, ::2, ::2])
    assert torch.equal(seen["shifted"][:, :, 1:, 1:], x[:, :, 1:5:2, 1:5:2])
    assert not seen["shifted"][:, :, 0].any()
    assert not seen["shifted"][:, :, :, 0].any()
