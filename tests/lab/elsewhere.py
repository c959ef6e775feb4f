"""A device made of Python: tensors of the CPU that say they lie elsewhere, and refuse to meet those that do not.

Where there is no GPU it shows that a training follows its device. RunRecord as a script, because a process keeps such a
device to its end: prints, as JSON, how far each training elsewhere came out from the same one on the CPU.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only

from halflife.lab import OPTIMIZER_SPECS
from halflife.lab.models import resnet, shake_shake
from halflife.lab.problems import Problem, Split, crop_and_flip
from halflife.lab.training import Recipe, Training, TrialBatch
from halflife.lab.training.magnitudes import _recorded
from halflife.lab.training.sequential import SequentialTrainer, train_sequentially

NAME, HERE = "elsewhere", torch.device("cpu")
COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)


class There(Tensor):
    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> There:
        form: Any = {"strides": inside.stride(), "storage_offset": inside.storage_offset(), "dtype": inside.dtype}
        self = Tensor._make_wrapper_subclass(cls, inside.shape, device=torch.device(NAME, 0), **form)
        self.inside = inside
        return self

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return ran(op, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return ran(op, args, kwargs or {})


def ran(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """On what is inside; what comes out lies where it was asked for, else where what went in does."""
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    away = [x for x in tensors if isinstance(x, There)]
    if away and op not in COPIES and any(x.dim() and not isinstance(x, There) for x in tensors):
        raise RuntimeError(f"{op} was given tensors of the CPU and of elsewhere")
    asked = kwargs.get("device")
    goes = torch.device(asked).type == NAME if asked is not None else bool(away)
    if op is torch.ops.aten.copy_.default:
        goes = isinstance(args[0], There)
    if asked is not None:
        kwargs = {**kwargs, "device": HERE}
    known = {id(x.inside): x for x in away}
    out = op(*tree_map_only(There, lambda x: x.inside, args), **tree_map_only(There, lambda x: x.inside, kwargs))
    return tree_map_only(Tensor, lambda x: known[id(x)] if id(x) in known else There(x), out) if goes else out


def problem(kind: str, inputs: Tensor, classes: int, model: Any, augment: Any = None) -> Problem:
    targets = torch.arange(len(inputs)) % classes
    train, val, test = (Split(inputs[i::3], targets[i::3]) for i in range(3))
    return Problem(kind, kind, train, val, test, model, augment=augment)


def problems() -> dict[str, Problem]:
    images = torch.randn(72, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    vectors = images.flatten(1)[:, :5].contiguous()
    flip = partial(crop_and_flip, pad=1)

    def perceptron() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3))

    return {
        "perceptron": problem("perceptron", vectors, 3, perceptron),
        "resnet": problem("resnet", images, 10, partial(resnet, 8, width=4, classes=10), flip),
        "shake-shake": problem("shake-shake", images, 10, partial(shake_shake, 4, depth=8), flip),
    }


def apart(one: Any, other: Any) -> float:
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)


def trained(training: Training, name: str) -> Any:
    return train_sequentially(training, TrialBatch(OPTIMIZER_SPECS[name], (1e-2,), (1e-2,), (0,)))


def main() -> None:
    torch.utils.backend_registration._setup_privateuseone_for_python_backend(NAME)  # type: ignore
    found: dict[str, float] = {}
    for kind, one in problems().items():
        here = Training(one, one.model, Recipe(3, 6, curves=True))
        for name in ("adamw-paper", "adam-p", "sgdw"):
            expected = trained(here, name)
            with Elsewhere():
                found[f"{kind} {name}"] = apart(trained(replace(here, device=NAME), name), expected)
    here = Training(problems()["perceptron"], problems()["perceptron"].model, Recipe(3, 6))
    there = replace(here, device=NAME)
    spec = OPTIMIZER_SPECS["adam-l2"]
    with Elsewhere():
        run = SequentialTrainer(there, TrialBatch(spec, (1e-2,), (1e-2,), (0,)))
        assert all(isinstance(p, There) for p in run.model.parameters())
        counted = _recorded(there, spec, 1e-2, 1e-2, 0, (1,))[1]
    same = _recorded(here, spec, 1e-2, 1e-2, 0, (1,))[1]
    found["magnitudes"] = max(float(abs(counted[kind][0] - same[kind][0]).max()) for kind in same)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
