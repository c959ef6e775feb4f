"""What an earlier version saved is loaded, and goes on as it would have gone on there.

``make_fixtures.py`` says how the fixtures were written, ``records.py`` what is in them.
"""

from __future__ import annotations

import copy
import json
import pickle
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.engines.library import load
from halflife.optim.checkpoints import IMPLIED

from .records import FOLDER, Record, Walker

RECORDS: list[Record] = [
    record
    for name in ("rules", "decays", "regularizers", "formats", "surroundings", "later")
    for record in torch.load(FOLDER / f"{name}.pt", weights_only=True)
]
LATER = {"Adafactor", "LBFGS", "Muon", "SparseAdam"}
"""Classes that the version of the first fixtures had not: they have a file of their own."""
BY_NAME = {record["name"]: record for record in RECORDS}


def settings_of(record: Record) -> list[Any]:
    return [record["kwargs"], *(record["groups"] or ())]


def dithers(record: Record) -> bool:
    """Whether numbers were rounded by random bits, which are a format of their own."""
    states = any(group.get("state_dtype") in (torch.bfloat16, "8bit") for group in settings_of(record))
    return states or any(group.get("rounding") == "stochastic" for group in settings_of(record))


def dithers_two_states(record: Record) -> bool:
    """Whether a tensor has two states that are: since 0.1.0 the second takes its bits from the first one's word."""
    dithered = any(group.get("state_dtype") in (torch.bfloat16, "8bit") for group in settings_of(record))
    return dithered and any(len(narrow(state)) > 1 for state in record["state_dict"]["state"].values())


def narrow(state: dict[str, Any]) -> list[str]:
    """The names of the states that are kept in fewer bits."""
    tensors = {name: x for name, x in state.items() if isinstance(x, Tensor) and name != "kahan"}
    return [name for name, x in tensors.items() if x.dtype in (torch.uint8, torch.bfloat16)]


DITHERED = [record["name"] for record in RECORDS if dithers(record)]
OTHER_BITS = [record["name"] for record in RECORDS if dithers_two_states(record)]
"""Whose roundings take other random bits than in 0.1.0: what they round is compared to ``SHARE``."""

RELATIVE = {
    **{torch.float64: 1e-12, torch.float32: 1e-6, torch.complex64: 1e-6},
    **{torch.bfloat16: 2**-7, torch.float16: 2**-9},
}
"""How far another order of the same operations may bring a number, as a share of the tensor's largest."""

SHARE = 0.05
"""Of dithered numbers: how many may be rounded the other way; where the random bits differ, how far off they may be."""

WIDE = (torch.float32, torch.float64)

each_record = pytest.mark.parametrize("record", RECORDS, ids=[record["name"] for record in RECORDS])


def resumed(record: Record, engine: str | None = None) -> Walker:
    """A new optimizer with the old one's state."""
    walker = Walker(record, record["weights"], engine)
    walker.optimizer.load_state_dict(copy.deepcopy(record["state_dict"]))  # torch's LBFGS keeps the tensors it is given
    for each, state in ((walker.scheduler, "scheduler_state"), (walker.schedule, "schedule_state")):
        if each is not None:
            each.load_state_dict(record[state])
    return walker


def here() -> str | None:
    return getattr(load(), "level", None)


def is_exact(record: Record) -> bool:
    """Native on the level that it was written on: there is one order of the operations."""
    native = {*record["ran"]} == {"native"} and record["level"] == here()
    return native and record["name"] not in OTHER_BITS


def compare(now: Any, then: Any, exact: bool, what: str) -> None:
    """Two tensors, numbers or lists of them."""
    if not isinstance(then, Tensor):
        assert type(now) is type(then), what
        if isinstance(then, list):
            for x, old in zip(now, then, strict=True):
                compare(x, old, exact, what)
        else:
            assert now == (then if exact or not isinstance(then, float) else pytest.approx(then, rel=1e-6)), what
        return
    assert (now.dtype, now.shape) == (then.dtype, then.shape), what
    if exact or not then.numel() or then.dtype not in RELATIVE:
        torch.testing.assert_close(now, then, rtol=0, atol=0, equal_nan=True, msg=lambda m: f"{what}: {m}")
    else:
        off, largest = (now - then).abs().max(), then.abs().max()
        assert off <= RELATIVE[then.dtype] * largest, f"{what} is off by {float(off):.3g} of {float(largest):.3g}"


def compare_states(now: dict[str, Any], then: dict[str, Any], exact: bool) -> None:
    assert now["state"].keys() == then["state"].keys()
    for index, old in then["state"].items():
        assert old.keys() <= now["state"][index].keys()
        for name, x in old.items():
            if exact or name != "kahan":  # what a weight lacks turns with the weight's last bit
                compare(now["state"][index][name], x, exact or name == "step", f"{name} of parameter {index}")


UNKNOWN = {"decoupled_weight_decay"} - signature(torch.optim.Adam).parameters.keys()
"""A word of torch's, from 2.7 on: torch 2.6 neither has nor takes it."""


def compare_groups(now: dict[str, Any], then: dict[str, Any]) -> None:
    for new, old in zip(now["param_groups"], then["param_groups"], strict=True):
        assert old.keys() <= new.keys() | IMPLIED.keys() | UNKNOWN | {"decay", "halflife_base_lr"}
        for name, x in old.items():
            if name in UNKNOWN - new.keys():
                continue
            if name == "decay" and x is None and UNKNOWN & old.keys():
                x = "decoupled" if old["decoupled_weight_decay"] else "coupled"  # said by that word, there
            if name in ("decay", "halflife_base_lr") and name not in new:
                assert name != "decay" or x in (None, "coupled", "decoupled")
                continue
            y = new.get(name, IMPLIED.get(name))
            y = json.loads(y) if name == "regularizer" and isinstance(y, str) else y
            assert type(y) is type(x), name
            assert torch.equal(y, x) if isinstance(x, Tensor) else str(y) == str(x), name


@each_record
def test_what_is_loaded_is_what_was_saved(record: Record) -> None:
    now = resumed(record).optimizer.state_dict()
    compare_states(now, record["state_dict"], exact=True)
    compare_groups(now, record["state_dict"])


@each_record
def test_the_next_steps_are_the_old_ones(record: Record) -> None:
    walker = resumed(record)
    for gradients in record["gradients"]:
        walker.step(gradients)
    compare_all(walker, record, "end_")


@each_record
def test_the_first_steps_are_the_old_ones(record: Record) -> None:
    walker = Walker(record, record["start"])
    for gradients in record["first_gradients"]:
        walker.step(gradients)
    compare_all(walker, record, "")


def compare_all(walker: Walker, record: Record, prefix: str) -> None:
    now, then = walker.optimizer.state_dict(), record[f"{prefix}state_dict"]
    weights, exact = record[f"{prefix}weights"], is_exact(record)
    compare_groups(now, then)
    if not exact and record["name"] in DITHERED:
        same_bits = record["name"] not in OTHER_BITS
        compare_dithered(walker.weights(), weights, same_bits)
        for index, old in then["state"].items():
            new = now["state"][index]
            compare_dithered([new[name] for name in narrow(old)], [old[name] for name in narrow(old)], same_bits)
        return
    compare_states(now, then, exact)
    for w, old in zip(walker.weights(), weights, strict=True):
        compare(w, old, exact, "a weight")


def compare_dithered(now: list[Tensor], then: list[Tensor], same_bits: bool) -> None:
    """Where another order of operations made another number, its random bits seldom round it to another one."""
    for x, old in zip(now, then, strict=True):
        assert (x.dtype, x.shape) == (old.dtype, old.shape)
        if same_bits and x.dtype in (torch.uint8, torch.bfloat16, torch.float16):
            assert (x != old).float().mean() <= SHARE
        elif x.dtype is not torch.uint8:
            assert distance([x], [old]) <= SHARE


def distance(now: list[Tensor], then: list[Tensor]) -> float:
    """The norm of the difference, as a share of the weights'."""
    off = sum(float((a - b).abs().double().square().sum()) for a, b in zip(now, then, strict=True))
    return (off / sum(float(b.abs().double().square().sum()) for b in then)) ** 0.5


@each_record
def test_three_steps_move_the_weights_by_far_more_than_is_forgiven(record: Record) -> None:
    largest = max(RELATIVE[w.dtype] for w in record["weights"])
    moved = distance(record["weights"], record["end_weights"])
    assert moved > (100 * largest if largest <= 1e-6 else 4 * largest)


OTHERS = [
    record
    for record in RECORDS
    if {*record["ran"]} == {"native"} and record["name"] not in DITHERED and record["weights"][0].dtype in WIDE
]


@pytest.mark.parametrize("engine", ["eager", "foreach"])
@pytest.mark.parametrize("record", OTHERS, ids=[record["name"] for record in OTHERS])
def test_another_engine_goes_on_from_there(record: Record, engine: str) -> None:
    walker = resumed(record, engine)
    walker.step(record["gradients"][0])
    if "GroupLasso" not in str(record["kwargs"]):
        assert {choice.name for choice in walker.optimizer.engines()} == {engine}
    for gradients in record["gradients"][1:]:
        walker.step(gradients)
    for w, old in zip(walker.weights(), record["end_weights"], strict=True):
        compare(w, old, False, "a weight")


@pytest.mark.parametrize("name", ["adamw", "adamw-8bit"])
def test_a_state_dict_in_a_file_of_its_own(name: str) -> None:
    """By torch.save, in its present form and in that of torch before 1.6."""
    saved = torch.load(FOLDER / f"state_dict-{name}.pt", weights_only=True)
    check_whole(name, saved)


def test_a_pickled_state_dict() -> None:
    check_whole("two-groups", pickle.loads((FOLDER / "state_dict-two-groups.pickle").read_bytes()))


def check_whole(name: str, saved: dict[str, Any]) -> None:
    record = BY_NAME[name]
    now = resumed({**record, "state_dict": saved}).optimizer.state_dict()
    compare_states(now, record["state_dict"], exact=True)
    compare_groups(now, record["state_dict"])


def test_torch_reads_what_we_wrote() -> None:
    record = BY_NAME["adamw"]
    params = [w.clone().requires_grad_() for w in record["weights"]]
    optimizer = torch.optim.AdamW(params)
    optimizer.load_state_dict(record["state_dict"])
    for gradients in record["gradients"]:
        for p, g in zip(params, gradients, strict=True):
            p.grad = g
        optimizer.step()
    assert distance([p.detach() for p in params], record["end_weights"]) < 1e-6


def test_every_kind_is_among_the_fixtures() -> None:
    classes = {c for c in halflife.__all__ if isinstance(getattr(halflife, c), type(halflife.SGD))}
    wanted = {c for c in classes if issubclass(getattr(halflife, c), torch.optim.Optimizer)} - {"Optimizer"}
    assert wanted == {record["optimizer"] for record in RECORDS}
    assert {record["optimizer"] for record in RECORDS if record["commit"] != "4d6b280"} == LATER | {"AdamW"}
    assert {engine for record in RECORDS for engine in record["ran"]} == {"native", "foreach", "eager"}
    assert len(BY_NAME) == len(RECORDS) >= 60
