"""A table that lacks a part: the library names the entry and writes nothing, no clock either."""

from __future__ import annotations

import math

import pytest

from halflife.engines.library import Functor, Library, load

from .raw_tables import BF16, CAUTIOUS, FP8, IMPLICIT, KAHAN, STOCHASTIC, SUM, TOWARD_INIT, Tables, tables

LIBRARY = load()
pytestmark = pytest.mark.skipif(not isinstance(LIBRARY, Library), reason=getattr(LIBRARY, "reason", ""))

ADAM, SGD, RMSPROP = ("Adam", "none outside"), ("SGD", "plain"), ("RMSprop", "momentum centered inside")
NEEDED = [
    *((ADAM, {}, name, None) for name in ("w", "g")),
    *((ADAM, {}, "state", k) for k in range(2)),
    *((RMSPROP, {}, "state", k) for k in range(3)),
    *((ADAM, {"state_format": FP8}, "scale", k) for k in range(2)),
    *((name, {}, "clock", 0) for name in (ADAM, ("Rprop", ""), ("ASGD", ""))),
    *((("NAdam", ""), {}, "clock", 1), (("ASGD", ""), {}, "clock", 1), (("ASGD", ""), {}, "clock", 2)),
    *(
        (("Lion", ""), {"state_format": FP8}, "clock", 0),
        (("Lion", ""), {"state_format": BF16, "dithered": 1}, "clock", 0),
    ),
    (SGD, {"w_format": BF16, "rounding": STOCHASTIC}, "clock", 0),
    *((SGD, {"regularizer": R, "placement": CAUTIOUS}, "anchor", None) for R in (TOWARD_INIT, TOWARD_INIT + SUM)),
    (ADAM, {"regularizer": TOWARD_INIT, "placement": IMPLICIT}, "anchor", None),
    (SGD, {"w_format": BF16, "rounding": KAHAN}, "kahan", None),
    (SGD, {"ema_decay": 0.9}, "ema", None),
]
SPARED = [
    *((SGD, {}, name, k) for name, k in (("state", 0), ("scale", 0), ("clock", 0), ("anchor", None), ("ema", None))),
    (ADAM, {}, "scale", 0),
    (("Lion", ""), {"state_format": BF16}, "clock", 0),
    (SGD, {"regularizer": TOWARD_INIT}, "anchor", None),
    *((ADAM, {"n": 0}, name, k) for name, k in (("w", None), ("g", None), ("state", 1), ("clock", 0))),
]


def made(rule: tuple[str, str], settings: dict[str, float], entries: int = 1) -> Tables:
    assert isinstance(LIBRARY, Library)
    functor = LIBRARY.functor(*rule)
    assert isinstance(functor, Functor)
    of_tables = {name: int(x) for name, x in settings.items() if name in ("n", "w_format", "state_format")}
    result = tables(LIBRARY, functor, entries=entries, **of_tables)
    for name in set(settings) - set(of_tables):
        table = result.rows if name in (result.rows.dtype.names or ()) else result.entries
        table[name] = settings[name]
    if settings.get("rounding") == KAHAN:
        for i in range(entries):
            result.point(i, "kahan", None, result.parts[0] * 0)
    return result


def take(table: Tables, index: int, name: str, k: int | None) -> None:
    """Make a pointer null."""
    if k is None:
        table.entries[index][name] = 0
    else:
        table.entries[index][name][k] = 0


@pytest.mark.parametrize(("rule", "settings", "name", "k"), NEEDED, ids=str)
def test_a_part_that_is_needed_and_not_there(
    rule: tuple[str, str], settings: dict[str, float], name: str, k: int | None
) -> None:
    whole = made(rule, settings, entries=3)
    assert whole.step() == 0
    broken = made(rule, settings, entries=3)
    before = [x.copy() for x in broken.parts]
    take(broken, 1, name, k)
    assert broken.step() == 2
    assert all((x == y).all() for x, y in zip(broken.parts, before, strict=True))


@pytest.mark.parametrize(("rule", "settings", "name", "k"), SPARED, ids=str)
def test_a_part_that_is_not_needed(rule: tuple[str, str], settings: dict[str, float], name: str, k: int | None) -> None:
    table = made(rule, settings)
    take(table, 0, name, k)
    assert table.step() == 0


@pytest.mark.parametrize("number", [-1, 10_000])
def test_a_rule_that_is_not_in_the_list(number: int) -> None:
    table = made(ADAM, {"rule": number})
    assert table.step() == 1


def test_a_length_below_zero() -> None:
    table = made(ADAM, {})
    table.entries["n"] = -1
    assert table.step() == 1


def test_a_gradient_that_is_not_there_has_no_norm() -> None:
    table = made(ADAM, {}, entries=2)
    assert table.gradient_norm() == pytest.approx(math.sqrt(10))
    take(table, 1, "g", None)
    assert math.isnan(table.gradient_norm())


def test_an_average_that_is_kept_no_more_stays_as_it_is() -> None:
    table = made(SGD, {})
    assert table.step() == 0
    ema = table.parts[3]
    assert (ema == 0).all()
    table.rows["ema_decay"] = 0.5
    assert table.step() == 0
    assert ema == pytest.approx(0.5 * table.parts[0])
