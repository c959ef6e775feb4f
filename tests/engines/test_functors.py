"""The library's list of rules is Python's, and a rule is added by its own file, a line and an include."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from halflife import rules
from halflife.engines.library import Functor, Library, load, open_library
from halflife.engines.native_rows import functor_of

from .raw_tables import F32, F64, tables

ROOT = Path(__file__).parents[2]
NATIVE, INCLUDE = ROOT / "native", ROOT / "src/halflife/engines/cuda/include"
LIBRARY = load()
built = pytest.mark.skipif(not isinstance(LIBRARY, Library), reason=getattr(LIBRARY, "reason", ""))
compiles = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
SCALARS = {"NAdam": 1, "ASGD": 2}


def variants(kind: type[rules.Rule]) -> list[dict[str, str]]:
    """Every choice of a rule's words."""
    hints = get_type_hints(kind)
    words = {f.name: get_args(hints[f.name]) for f in fields(kind) if get_origin(hints[f.name]) is Literal}  # type: ignore[arg-type]
    return [dict(zip(words, chosen, strict=True)) for chosen in product(*words.values())]


@built
def test_every_functor_is_a_rule_in_its_words() -> None:
    assert isinstance(LIBRARY, Library)
    names = {name for name, _ in LIBRARY.functors}
    for name in names:
        kind = getattr(rules, name)
        found = {variant for n, variant in LIBRARY.functors if n == name}
        in_words = {" ".join(words.values()): kind(**words) for words in variants(kind)}
        assert found == in_words.keys()
        for variant, rule in in_words.items():
            functor, shapes = LIBRARY.functors[name, variant], [state.shape for state in rule.states]
            assert functor.scalars == SCALARS.get(name, 0) == len(rule.scalars) == shapes.count("scalar")
            assert functor.states == shapes.count("parameter")
            assert functor.hyper == tuple(rules.hyper_parameters(rule))
            assert functor_of(rule) == functor
    numbers = [functor.number for functor in LIBRARY.functors.values()]
    assert numbers == list(range(len(numbers)))


@built
@pytest.mark.parametrize(
    ("name", "variant", "states", "hyper"),
    [
        ("SGD", "plain", 0, "momentum dampening"),
        ("SGD", "nesterov", 1, "momentum dampening"),
        ("RMSprop", "plain raw outside", 1, "alpha eps momentum"),
        ("RMSprop", "momentum centered inside", 3, "alpha eps momentum"),
        ("Adam", "none outside", 2, "beta1 beta2 eps"),
        ("Adam", "max inside", 3, "beta1 beta2 eps"),
        ("NAdam", "", 2, "beta1 beta2 eps momentum_decay"),
    ],
)
def test_what_a_functor_has(name: str, variant: str, states: int, hyper: str) -> None:
    assert isinstance(LIBRARY, Library)
    functor = LIBRARY.functor(name, variant)
    assert functor is not None
    assert (functor.states, " ".join(functor.hyper)) == (states, hyper)
    assert LIBRARY.functor(name, "other words") is None


def compiled(native: Path, folder: Path) -> Path:
    """The library of a folder like native/, without any level's own instructions."""
    flags = ["-std=c++17", "-O1", "-fPIC", "-fopenmp", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}"]
    levels = re.findall(r"engine_(\w+)[,;]", (native / "dispatch.cpp").read_text(encoding="utf-8"))
    sources = [("dispatch", []), *(("table", [f"-DHL_LEVEL={level}"]) for level in dict.fromkeys(levels))]
    objects = [folder / f"{k}.o" for k in range(len(sources))]
    made = [
        subprocess.Popen(["g++", *flags, *level, "-c", native / f"{name}.cpp", "-o", to], stderr=subprocess.PIPE)
        for (name, level), to in zip(sources, objects, strict=True)
    ]
    said = [process.communicate()[1].decode() for process in made]
    assert not any(process.returncode for process in made), "\n".join(said)
    path = folder / "libtoy.so"
    subprocess.run(["g++", "-shared", "-fopenmp", *objects, "-o", path], check=True)
    return path


TOY = """
#pragma once
#include "rule.hpp"
namespace hl {
template <class T>
struct Toy : Rule<4, 8> {
    T h[8], rest;
    Toy(const hl_row &r, Clock &k) : rest(k.scalar[0]) {
        for (int i = 0; i < 8; ++i) h[i] = r.hyper[i];
        k.next[0] = k.scalar[0] * r.hyper[7] + k.t;
    }
    inline void operator()(T, T g, T &a, T &b, T &c, T &d, T &u, T &D) const {
        a = h[0] * a + g;
        b = h[1] * b + h[2] * a;
        c = h[3] * c - h[4] * b;
        d = h[5] * d + c * c;
        D = std::sqrt(d) + h[6];
        u = (a + b + rest) / D;
    }
};
}  // namespace hl
"""
LINE = 'HL_RULE(TOY, "Toy", "in words", (p0, p1, p2, p3, p4, p5, p6, p7), WrittenAfter<1>, Toy<T>)\n'
BARE = 'HL_RULE(BARE, "Bare", "", (), Uncounted, SGD<T>)\n'
HYPER = (0.9, 0.8, 0.3, 0.7, 0.2, 0.6, 0.05, 0.5)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("toy")
    native = shutil.copytree(NATIVE, folder / "native", ignore=shutil.ignore_patterns("editable"))
    (native / "rules" / "toy.hpp").write_text(TOY, encoding="utf-8")
    with (
        (native / "rules.def").open("a", encoding="utf-8") as lines,
        (native / "rules" / "all.hpp").open("a", encoding="utf-8") as includes,
    ):
        lines.write(LINE + BARE)
        includes.write('#include "toy.hpp"\n')
    library = open_library(compiled(native, folder))
    assert isinstance(library, Library), library
    return library


def toy_by_hand(w: Any, g: Any, steps: int) -> tuple[Any, list[Any], float]:
    """The toy's lines once more; weights, states and scalar after so many steps from states of 1 and a scalar of 0."""
    h, (a, b, c, d), rest = HYPER, np.ones((4, *w.shape)), 0.0
    for t in range(1, steps + 1):
        a = h[0] * a + g
        b = h[1] * b + h[2] * a
        c = h[3] * c - h[4] * b
        d = h[5] * d + c * c
        w = w - 0.1 * (a + b + rest) / (np.sqrt(d) + h[6])
        rest = rest * h[7] + t
    return w, [a, b, c, d], rest


@compiles
@pytest.mark.parametrize(("kind", "tolerance"), [(F32, 1e-5), (F64, 1e-6)])
def test_four_states_eight_hyper_parameters_and_a_scalar(toy: Library, kind: int, tolerance: float) -> None:
    """The scalar is kept in float32, the rest in the weights' format."""
    functor = toy.functor("Toy", "in words")
    assert functor == Functor(len(toy.functors) - 2, 4, 1, tuple(f"p{i}" for i in range(8)))
    assert toy.entry["state"].shape == toy.entry["scale"].shape == (4,)
    assert toy.row["hyper"].shape == (8,)
    table = tables(toy, functor, n=1000, w_format=kind, state_format=kind)
    table.rows["hyper"] = HYPER
    dtype = np.float64 if kind == F64 else np.float32
    w = table.point(0, "w", None, np.linspace(-1, 1, 1000, dtype=dtype))
    g = table.point(0, "g", None, np.cos(w * 9))
    states = [table.point(0, "state", k, np.ones(1000, dtype)) for k in range(4)]
    clock = [table.point(0, "clock", k, np.zeros(1, np.float32)) for k in range(2)]
    expected = toy_by_hand(w.astype(float), g.astype(float), 3)
    assert [table.step() for _ in range(3)] == [0, 0, 0]
    assert w == pytest.approx(expected[0], rel=tolerance, abs=tolerance)
    for state, by_hand in zip(states, expected[1], strict=True):
        assert state == pytest.approx(by_hand, rel=tolerance, abs=tolerance)
    assert [x.item() for x in clock] == [3, pytest.approx(expected[2])]


@compiles
def test_a_functor_of_no_states_and_no_hyper_parameters(toy: Library) -> None:
    functor = toy.functor("Bare")
    assert functor == Functor(len(toy.functors) - 1, 0, 0, ())
    table = tables(toy, functor)
    assert table.step() == 0
    assert table.parts[0] == pytest.approx(np.full(5, 0.9))


@compiles
def test_the_rules_beside_it_are_as_ever(toy: Library) -> None:
    if not isinstance(LIBRARY, Library):
        pytest.skip(LIBRARY.reason)
    assert dict(list(toy.functors.items())[:-2]) == LIBRARY.functors
    for functor in LIBRARY.functors.values():
        both = [tables(library, functor) for library in (toy, LIBRARY)]
        assert [table.step() for table in both for _ in range(2)] == [0] * 4
        assert both[0].parts[0] == pytest.approx(both[1].parts[0], rel=1e-6)
