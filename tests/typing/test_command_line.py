"""jsonargparse, on which LightningCLI stands: every argument is accepted, in its type, and explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

import halflife

from ..optim.users import EVERY, ours, weights

jsonargparse = pytest.importorskip("jsonargparse")

CASES = [
    ("lr", "0.01", 0.01),
    ("betas", "[0.9,0.95]", (0.9, 0.95)),
    ("weight_decay", "0.1", 0.1),
    ("eps", "1e-6", 1e-6),
    ("eps_inside", "true", True),
    ("amsgrad", "true", True),
    ("fused", "null", None),
    ("foreach", "true", True),
    ("decay", "independent", "independent"),
    ("base_lr", "0.1", 0.1),
    ("rounding", "kahan", "kahan"),
    ("state_dtype", "8bit", "8bit"),
    ("state_dtype", "torch.bfloat16", torch.bfloat16),
    ("max_grad_norm", "1.0", 1.0),
    ("ema_decay", "0.99", 0.99),
    ("skip_nonfinite", "true", True),
    ("engine", "foreach", "foreach"),
]


def parse(*arguments: str) -> Any:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    # as LightningCLI adds an optimizer
    parser.add_subclass_arguments(torch.optim.Optimizer, "optimizer", skip={"params"}, instantiate=False)
    return parser.parse_args(list(arguments)).optimizer


@pytest.mark.parametrize("name", EVERY)
def test_each_class(name: str) -> None:
    chosen = parse(f"--optimizer=halflife.{name}", "--optimizer.lr=0.25", "--optimizer.decay=proximal")
    optimizer = ours(name)(weights(), **chosen.init_args.as_dict())
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["decay"] == "proximal"


@pytest.mark.parametrize(("argument", "text", "value"), CASES)
def test_each_argument(argument: str, text: str, value: Any) -> None:
    chosen = parse("--optimizer=halflife.AdamW", f"--optimizer.{argument}={text}")
    assert chosen.init_args[argument] == value


@pytest.mark.parametrize(
    "wrong", ["weight_decy=1", "decay=indep", "rounding=kahn", "lr=fast", "weight_decay=some", "engine=fast"]
)
def test_a_wrong_one_is_refused(wrong: str) -> None:
    with pytest.raises(jsonargparse.ArgumentError, match=wrong.partition("=")[0]):
        parse("--optimizer=halflife.AdamW", f"--optimizer.{wrong}")


def test_objects_by_their_paths() -> None:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--optimizer", type=Callable[[Iterable[Any]], torch.optim.Optimizer])
    arguments = [
        "--optimizer=halflife.ProxAdam",
        "--optimizer.regularizer=halflife.regularizers.GroupLasso",
        "--optimizer.regularizer.init_args.dim=0",
        "--optimizer.decay.placement=implicit",
        "--optimizer.decay.multiplier=lr",
    ]
    build = parser.instantiate(parser.parse_args(arguments)).optimizer
    group = build(weights()).param_groups[0]
    assert group["regularizer"] == halflife.regularizers.GroupLasso(dim=0)
    assert group["decay"] == halflife.Decay("implicit", "lr")
    arguments = ["--optimizer=halflife.AdamW", "--optimizer.weight_decay=halflife.HalfLife"]
    build = parser.instantiate(parser.parse_args([*arguments, "--optimizer.weight_decay.steps=100"])).optimizer
    expected = halflife.AdamW(weights(), weight_decay=halflife.HalfLife(steps=100))
    assert build(weights()).param_groups[0]["weight_decay"] == expected.param_groups[0]["weight_decay"] > 1
