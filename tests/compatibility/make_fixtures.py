"""Wrote ``fixtures/*.pt``, once, with the library of commit 4d6b280 (version 0.1.0).

Not to be run with a newer version: what the fixtures are for is that they were written by that one. It refuses to write
over a file; what a later version adds gets files of its own. So ``later.pt``, of the classes that came after, was
written by ``python -m tests.compatibility.make_fixtures later`` with the library of the commit that added the file.
The others were, from the repository's root, by::

    git worktree add build/4d6b280 4d6b280
    cmake -S build/4d6b280/native/editable -B build/native-4d6b280 && cmake --build build/native-4d6b280
    PYTHONPATH=build/4d6b280/src python -m tests.compatibility.make_fixtures
"""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import halflife
from halflife.engines.library import load

from .records import FOLDER, Record, Walker

COMMIT = "4d6b280"
STEPS, MORE = 4, 3
SHAPES = ((3, 5), (257,))
BLOCKS = ((3, 5), (257,), (300,))
"""Sizes that end within a block of 256 numbers, and within a vector."""

L2, L1, BOX = {"name": "L2"}, {"name": "L1"}, {"name": "Box", "lo": -0.8, "hi": 0.9}
EXPONENTIAL = ["ExponentialLR", {"gamma": 0.8}]


def case(name: str, optimizer: str, kwargs: dict[str, Any] | None = None, **more: Any) -> Record:
    """A record's given part; ``more`` may also say ``shapes``, ``dtype`` and how the gradients are ``spoiled``."""
    usual: Record = {"groups": None, "engine": None, "named": False, "sparse": False, "leaf": True}
    usual |= {"scheduler": None, "schedule": None, "shapes": SHAPES, "dtype": torch.float32, "spoiled": None}
    return {"name": name, "optimizer": optimizer, "kwargs": kwargs or {}, **usual, **more}


def rules() -> list[Record]:
    """Every class, and every way that its rule can go."""
    heavy = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}
    cases = [
        case("sgd", "SGD", {"lr": 0.1}),
        case("sgd-momentum", "SGD", heavy),
        case("sgd-nesterov", "SGD", {**heavy, "nesterov": True}),
        case("sgd-dampening", "SGD", {**heavy, "dampening": 0.5, "maximize": True}),
        case("asgd", "ASGD", {"lr": 0.1, "lambd": 0.01, "alpha": 0.5, "t0": 3, "weight_decay": 0.1}),
        case("adagrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.3}),
        case("adadelta", "Adadelta", {"lr": 5.0, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
        case("rmsprop", "RMSprop", {"lr": 0.03}),
        case("rmsprop-centered", "RMSprop", {"lr": 0.03, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
        case("rmsprop-inside", "RMSprop", {"lr": 0.03, "momentum": 0.5, "eps": 1e-2, "eps_inside": True}),
        case("adam", "Adam", {"lr": 0.03, "weight_decay": 0.1}),
        case("adam-amsgrad", "Adam", {"lr": 0.03, "amsgrad": True, "betas": [0.5, 0.6]}),
        case("adam-inside", "Adam", {"lr": 0.03, "eps": 1e-2, "eps_inside": True}),
        case("adamw", "AdamW", {"lr": 0.03, "weight_decay": 0.3}),
        case("adamw-amsgrad", "AdamW", {"lr": 0.03, "amsgrad": True, "maximize": True}),
        case("nadam", "NAdam", {"lr": 0.03, "momentum_decay": 0.1, "weight_decay": 0.1}),
        case("radam", "RAdam", {"lr": 0.03, "weight_decay": 0.1}),
        case("radam-early", "RAdam", {"lr": 0.03, "betas": [0.8, 0.65], "decoupled_weight_decay": True}),
        case("adamax", "Adamax", {"lr": 0.03, "weight_decay": 0.1}),
        case("rprop", "Rprop", {"lr": 0.03, "etas": [0.3, 1.5], "step_sizes": [1e-3, 0.1]}),
        case("lion", "Lion", {"lr": 0.03}),
        case("sgdw", "SGDW", {"lr": 0.05, "weight_decay": 0.03}),
        case("adam-l2", "AdamL2", {"lr": 0.03}),
        case("prox-adam", "ProxAdam", {"lr": 0.03, "weight_decay": 0.03}),
        case("adam-p", "AdamP", {"lr": 0.03, "weight_decay": 0.3}),
        case("prox-sgd", "ProxSGD", {"lr": 0.1, "weight_decay": 0.3}),
    ]
    eager = ("sgd-nesterov", "asgd", "rmsprop-centered", "adam-amsgrad", "nadam", "radam", "rprop", "lion")
    return cases + [
        {**each, "name": f"{each['name']}-eager", "engine": "eager"} for each in cases if each["name"] in eager
    ]


def decays() -> list[Record]:
    """Each by its name, under a learning rate that a scheduler moves, so that lr and η differ."""
    names = ("coupled", "decoupled", "independent", "proximal", "proximal_lr", "euclidean", "corrected", "cautious")
    weak = ("independent", "proximal")
    cases = [
        case(
            f"decay-{name}",
            "AdamW",
            {"lr": 0.03, "weight_decay": 0.03 if name in weak else 0.5, "decay": name},
            scheduler=EXPONENTIAL,
        )
        for name in names
    ]
    one = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.03, "decay": ["explicit", "one"]}
    peak = ["OneCycleLR", {"max_lr": 0.03, "total_steps": 12}]
    cosine = ["CosineAnnealingLR", {"T_max": 10}]
    return [
        *cases,
        case("decay-one", "SGD", one, scheduler=EXPONENTIAL),
        case("decay-implicit-metric", "RMSprop", {"lr": 0.03, "weight_decay": 0.3, "decay": ["implicit", "lr/metric"]}),
        case("one-cycle", "AdamW", {"lr": 0.03, "weight_decay": 0.03, "decay": "independent"}, scheduler=peak),
        case("cosine-annealing", "Adagrad", {"lr": 0.1, "weight_decay": 0.1}, scheduler=cosine, engine="eager"),
        case("half-life", "AdamW", {"lr": 0.03, "weight_decay": {"HalfLife": {"steps": 30.0}}}, scheduler=EXPONENTIAL),
        case("timescale", "ProxAdam", {"lr": 0.03, "weight_decay": {"Timescale": {"steps": 30.0}}}),
        case("cosine-decay", "AdamW", {"lr": 0.03}, schedule=["CosineWD", {"start": 1.0, "end": 0.1, "steps": 10}]),
        case(
            "linear-decay",
            "SGDW",
            {"lr": 0.05},
            schedule=["LinearWD", {"start": 0.1, "end": 0.01, "steps": 9}],
            scheduler=EXPONENTIAL,
        ),
    ]


def regularizers() -> list[Record]:
    """Those that decay and those that select, by gradient and by prox."""
    mask = {"name": "OnSubset", "of": L1, "mask": torch.arange(15).view(3, 5) % 3 != 0}
    three = {"name": "Sum", "parts": [L2, L1, BOX]}
    rows, init = {"name": "GroupLasso", "dim": 1}, {"name": "TowardInit"}
    adam, only = {"lr": 0.03, "weight_decay": 0.03}, ((3, 5),)
    return [
        case("l2", "ProxAdam", {**adam, "regularizer": L2}),
        case("l1", "ProxAdam", {**adam, "regularizer": L1}),
        case("l1-eager", "ProxAdam", {**adam, "regularizer": L1}, engine="eager"),
        case("l1-euclidean", "AdamP", {"lr": 0.03, "weight_decay": 0.3, "regularizer": L1}),
        case("elastic-net", "ProxSGD", {"lr": 0.1, "regularizer": {"name": "ElasticNet", "l1_ratio": 0.3}}),
        case("group-lasso", "ProxAdam", {**adam, "regularizer": rows}, shapes=((3, 5), (7, 9))),
        case("toward-init", "AdamW", {"lr": 0.03, "weight_decay": 1.0, "regularizer": init}),
        case("toward-init-prox", "ProxSGD", {"lr": 0.1, "weight_decay": 1.0, "regularizer": init}),
        case("subset", "ProxAdam", {**adam, "regularizer": mask}, shapes=only),
        case("sum", "ProxAdam", {**adam, "regularizer": three}),
        case("sum-scaled", "ProxAdam", {**adam, "regularizer": {"name": "Sum", "parts": [L1, _scaled(0.5, L2)]}}),
        case("box", "ProxAdam", {**adam, "regularizer": BOX}),
    ]


def _scaled(factor: float, of: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Scaled", "factor": factor, "of": of}


def formats() -> list[Record]:
    """Dtypes of weights × rounding × dtypes of states."""
    adam: dict[str, Any] = {"lr": 0.03, "weight_decay": 0.3}
    half: dict[str, Any] = {"shapes": BLOCKS, "dtype": torch.bfloat16}
    init = {"regularizer": {"name": "TowardInit"}}
    words = {torch.float32: "float32", torch.bfloat16: "bfloat16", "8bit": "8bit"}
    cases = [case(f"adamw-{words[d]}", "AdamW", {**adam, "state_dtype": d}, shapes=BLOCKS) for d in words]
    for rounding in ("nearest", "stochastic", "kahan"):
        for state_dtype in (None, *words):
            if rounding == "nearest" or state_dtype in (None, "8bit"):
                name = f"adamw-half-{rounding}-{words.get(state_dtype, 'own')}"
                cases.append(case(name, "AdamW", {**adam, "rounding": rounding, "state_dtype": state_dtype}, **half))
    more = [
        case("adamw-double", "AdamW", adam, dtype=torch.float64),
        case("nadam-double-eager", "NAdam", {"lr": 0.03}, dtype=torch.float64, engine="eager"),
        case("adamw-float16-kahan", "AdamW", {**adam, "rounding": "kahan"}, shapes=BLOCKS, dtype=torch.float16),
        case("adamw-8bit-eager", "AdamW", {**adam, "state_dtype": "8bit"}, shapes=BLOCKS, engine="eager"),
        case("adam-amsgrad-8bit", "Adam", {"lr": 0.03, "amsgrad": True, "state_dtype": "8bit"}, shapes=BLOCKS),
        case("sgd-8bit", "SGD", {"lr": 0.05, "momentum": 0.9, "state_dtype": "8bit"}, shapes=BLOCKS),
        case("lion-bfloat16", "Lion", {"lr": 0.03, "state_dtype": torch.bfloat16}, shapes=BLOCKS),
        case("rmsprop-8bit", "RMSprop", {"lr": 0.03, "centered": True, "state_dtype": "8bit"}, shapes=BLOCKS),
        case("sgd-half-stochastic", "SGD", {"lr": 0.05, "rounding": "stochastic"}, **half),
        case("sgd-half-stochastic-eager", "SGD", {"lr": 0.05, "rounding": "stochastic"}, **half, engine="eager"),
        case("sgd-half-kahan", "SGD", {"lr": 0.05, "momentum": 0.9, "rounding": "kahan"}, **half),
        case("adamw-half-kahan-eager", "AdamW", {**adam, "rounding": "kahan"}, **half, engine="eager"),
        case(
            "toward-init-8bit",
            "AdamW",
            {**adam, **init, "state_dtype": "8bit"},
            shapes=BLOCKS,
        ),
    ]
    return cases + more


def surroundings() -> list[Record]:
    """The whole pass, groups, torch's flags, and parameters of other kinds."""
    adam: dict[str, Any] = {"lr": 0.03, "weight_decay": 0.3}
    two = [{"params": [0], "lr": 0.1, "weight_decay": 0.0}, {"params": [1], "weight_decay": 0.5, "betas": [0.5, 0.9]}]
    several = [{"params": [0], "decay": "proximal_lr", "regularizer": L1}, {"params": [1], "state_dtype": "8bit"}]
    still: dict[str, Any] = {"leaf": False, "shapes": ((3, 5), (7,))}
    odd = ((), (0,), (1,), (2, 3, 4, 5))
    all_at_once = {"ema_decay": 0.9, "max_grad_norm": 1.0, "skip_nonfinite": True}
    cases = [
        case("average", "AdamW", {**adam, "ema_decay": 0.9}),
        case("average-half", "AdamW", {**adam, "ema_decay": 0.9, "rounding": "kahan"}, dtype=torch.bfloat16),
        case("clip", "AdamW", {**adam, "max_grad_norm": 1.0}),
        case("clip-sgd-eager", "SGD", {"lr": 0.1, "momentum": 0.9, "max_grad_norm": 1.0}, engine="eager"),
        case("skip", "AdamW", {**adam, "skip_nonfinite": True}, spoiled=[1, 5]),
        case("whole-pass", "SGD", {"lr": 0.5, "momentum": 0.9, **all_at_once}, spoiled=[2]),
        case("two-groups", "AdamW", adam, groups=two, scheduler=EXPONENTIAL),
        case("two-groups-of-kinds", "AdamW", adam, groups=several),
        case("named", "AdamW", adam, named=True),
        case("capturable", "AdamW", {**adam, "capturable": True}),
        case("capturable-radam", "RAdam", {"lr": 0.03, "capturable": True}),
        case("capturable-tensors", "Adam", {"lr": torch.tensor(0.03), "capturable": True}, scheduler=EXPONENTIAL),
        case("tensor-lr", "SGD", {"lr": torch.tensor(0.05), "momentum": 0.9}),
        case("differentiable", "Adam", {**adam, "differentiable": True}, **still),
        case("differentiable-asgd", "ASGD", {"lr": 0.1, "differentiable": True}, **still),
        case("differentiable-nadam", "NAdam", {"lr": 0.03, "differentiable": True}, **still),
        case("foreach", "AdamW", {**adam, "foreach": True}),
        case("foreach-radam", "RAdam", {"lr": 0.03, "foreach": True}),
        case("fused", "AdamW", {**adam, "fused": True}),
        case("complex", "AdamW", adam, dtype=torch.complex64),
        case("complex-sgd", "SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}, dtype=torch.complex64),
        case("complex-eager", "RMSprop", {"lr": 0.03, "centered": True}, dtype=torch.complex64, engine="eager"),
        case("sparse", "Adagrad", {"lr": 0.3}, sparse=True, shapes=((12, 5),)),
        case("sparse-sgd", "SGD", {"lr": 0.3}, sparse=True, shapes=((12, 5),)),
        case("odd-shapes", "AdamW", adam, shapes=odd),
        case("without-gradient", "AdamW", adam, shapes=(*SHAPES, (4,)), spoiled="last has none"),
    ]
    return cases


def later() -> list[Record]:
    """Of the classes that came after; Muon's products in float64, which are the same numbers on every machine."""
    muon: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.3, "ns_precision": "float64"}
    matrices = {"shapes": ((3, 5), (9, 4))}
    scaled = {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "ns_form": "gram", "ns_steps": 4}
    factored: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1}
    rules_of_groups = [{"params": [0], "rule": "Muon", "lr": 0.05, "ns_precision": "float64"}, {"params": [1]}]
    rows = {"sparse": True, "shapes": ((12, 5),)}
    lbfgs: dict[str, Any] = {"lr": 0.5, "max_iter": 1, "history_size": 3, "weight_decay": 0.3}
    double = {"dtype": torch.float64}
    return [
        case("muon", "Muon", muon, **matrices),
        case("muon-eager", "Muon", muon, **matrices, engine="eager"),
        case("muon-scaled", "Muon", {**muon, **scaled}, **matrices),
        case("muon-flattened", "Muon", {**muon, "matrices": "flattened"}, shapes=((4, 3, 2, 2),)),
        case("muon-bfloat16-kahan", "Muon", {**muon, "rounding": "kahan"}, **matrices, dtype=torch.bfloat16),
        case("muon-8bit", "Muon", {**muon, "state_dtype": "8bit"}, shapes=((30, 20),)),
        case("muon-and-adam", "AdamW", {"lr": 0.03, "weight_decay": 0.3}, groups=rules_of_groups),
        case("adafactor", "Adafactor", factored),
        case("adafactor-eager", "Adafactor", {**factored, "d": 2.0, "eps": [1e-3, 0.1]}, engine="eager"),
        case("adafactor-average", "Adafactor", {**factored, "ema_decay": 0.9, "max_grad_norm": 1.0}),
        case("sparse-adam", "SparseAdam", {"lr": 0.03}, **rows),
        case("sparse-adam-maximize", "SparseAdam", {"lr": 0.03, "betas": [0.5, 0.9], "maximize": True}, **rows),
        case("lbfgs", "LBFGS", lbfgs, **double),
        case("lbfgs-toward-init", "LBFGS", {**lbfgs, "regularizer": {"name": "TowardInit"}}, **double),
        case("lbfgs-iterations", "LBFGS", {**lbfgs, "max_iter": 3}, **double),
    ]


class Data:
    """Weights and gradients from a seed, the same tensors for every case of a dtype and of shapes: stored once."""

    def __init__(self) -> None:
        self._kept: dict[Any, Tensor] = {}

    def tensor(self, shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
        key = shape, dtype, seed
        if key not in self._kept:
            generator = torch.Generator().manual_seed(seed + 7919 * math.prod(shape))
            wide = dtype if dtype.is_complex else torch.float64
            self._kept[key] = torch.randn(shape, generator=generator, dtype=wide).to(dtype)
        return self._kept[key]

    def gradients(self, given: Record, step: int) -> list[Tensor | None]:
        found: list[Tensor | None] = [self.tensor(shape, given["dtype"], 100 + step) for shape in given["shapes"]]
        if given["sparse"]:
            rows = torch.arange(12)[:, None] % 3 == step % 3
            return [g if g is None else g * rows for g in found]
        if given["spoiled"] == "last has none":
            return [*found[:-1], None]
        if given["spoiled"] and step in given["spoiled"]:
            spoiled = found[0].clone()  # type: ignore[union-attr]
            spoiled.view(-1)[0] = float("nan") if step % 2 else float("inf")
            return [spoiled, *found[1:]]
        return found


def record_of(given: Record, data: Data, commit: str = COMMIT) -> Record:
    """Take the steps and note what came."""
    given = dict(given)
    shapes, dtype = given["shapes"], given["dtype"]
    start = [data.tensor(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    gradients = [data.gradients(given, step) for step in range(STEPS + MORE)]
    for name in ("shapes", "dtype", "spoiled"):
        del given[name]
    walker = Walker(given, start)
    versions = {"torch": str(torch.__version__), "halflife": halflife.__version__, "commit": commit}
    for each in gradients[:STEPS]:
        walker.step(each)
    return {
        **given,
        "ran": [choice.name for choice in walker.optimizer.engines()] if walker.has_engines else [],
        "level": getattr(load(), "level", None),
        **versions,
        "start": start,
        "first_gradients": gradients[:STEPS],
        **_now(walker, ""),
        "scheduler_state": _plain(walker.scheduler),
        "schedule_state": _plain(walker.schedule),
        "gradients": gradients[STEPS:],
        **_end(walker, gradients[STEPS:]),
    }


def _end(walker: Walker, gradients: list[list[Tensor | None]]) -> Record:
    for each in gradients:
        walker.step(each)
    return _now(walker, "end_")


def _now(walker: Walker, prefix: str) -> Record:
    return {f"{prefix}weights": walker.weights(), f"{prefix}state_dict": copy.deepcopy(walker.optimizer.state_dict())}


def _plain(scheduler: Any) -> Any:
    """A scheduler's state; torch's OneCycleLR keeps a function in it, which ``load_state_dict`` does not ask for."""
    if scheduler is None:
        return None
    return {name: x for name, x in copy.deepcopy(scheduler.state_dict()).items() if not callable(x)}


def write(path: Path, content: Any, **how: Any) -> None:
    if path.exists():
        raise SystemExit(f"{path} is there already, and stays as it was written.")
    torch.save(content, path, **how)


def write_later() -> None:
    """The one file of the classes that came after."""
    torch.set_num_threads(1)
    data = Data()
    write(FOLDER / "later.pt", [record_of(given, data, "which added later.pt") for given in later()])


def main() -> None:
    """All other files."""
    if "engine" in inspect.signature(halflife.AdamW).parameters:
        raise SystemExit(f"this is not the library of commit {COMMIT}; see this file's first lines.")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    bare = {}
    for make in (rules, decays, regularizers, formats, surroundings):
        data = Data()
        records = [record_of(given, data) for given in make()]
        write(FOLDER / f"{make.__name__}.pt", records)
        bare |= {record["name"]: record["state_dict"] for record in records}
        print(f"{make.__name__}: {len(records)} cases")
    write(FOLDER / "state_dict-adamw.pt", bare["adamw"])
    write(FOLDER / "state_dict-adamw-8bit.pt", bare["adamw-8bit"], _use_new_zipfile_serialization=False)
    path = FOLDER / "state_dict-two-groups.pickle"
    path.write_bytes(pickle.dumps(bare["two-groups"]))


if __name__ == "__main__":
    write_later() if sys.argv[1:] == ["later"] else main()
