"""The guide of the documentation, made of the same texts: ``python -m halflife.explain > docs/guide.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..decays import NAMED
from . import algebra
from .composition import composition
from .decays import DECAYS
from .names import default
from .optimizers import OPTIMIZERS
from .recommendations import RECOMMENDATIONS
from .regularizers import REGULARIZERS
from .rules import RULES

_HEAD = """# A guide to the optimizers

*Made by `python -m halflife.explain > docs/guide.md` from the texts of `halflife explain`, which works a first step of
each out as well. In all lines lr is the learning rate in force, η = lr/(base lr), λ the weight decay, u the
rule's direction and D its metric.*
"""

_SCHEDULES = """`halflife.schedules` has λ over time: give one as `weight_decay=`, call its `step()` beside the
scheduler's. `TiedWD(λ, power=p)` is λ·η^p, by each group's own lr and without a call: under `decoupled`, p = 1 is
`corrected`, whose share lr·η·λ keeps the weights' norm where it is as lr falls (Defazio 2025,
https://arxiv.org/abs/2506.02285; Chou 2025, https://arxiv.org/abs/2512.08217); with λ alone,
`Decay("explicit", "one")`, the same takes p = 2. `LogTimeWD(ω, offset)` is ω/(offset + t), for `independent` (ADANA
2026, https://arxiv.org/abs/2602.05298). With `capturable=True` a schedule holds λ in a tensor on the device, and a
captured graph sees it move; a number given for λ stays as it was captured.
"""


def guide() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD, "## In general\n", "\n".join(f"- {words}" for words in RECOMMENDATIONS) + "\n"]
    for heading, table in (
        ("Overview", _overview()),
        ("One step", _steps()),
        ("What to tune", _tuning()),
        ("Decay treatments", _decays()),
        ("Schedules of the weight decay", _SCHEDULES),
        ("Regularizers", _regularizers()),
    ):
        parts += [f"## {heading}\n", table]
    return "\n".join(parts)


def _overview() -> str:
    rows = ((t.name, t.innovation, t.advantages, t.disadvantages, t.best_use) for t in OPTIMIZERS.values())
    return _table(("optimizer", "innovation", "advantages", "disadvantages", "best use"), rows)


def _steps() -> str:
    rows: list[tuple[str, ...]] = []
    for name, text in OPTIMIZERS.items():
        made = composition(name)
        line = ",  ".join(algebra.one_line(made.text, made.decay))
        rows.append((name, f"`{line}`", text.when))
    return _table(("optimizer", "by default", "when"), rows)


def _tuning() -> str:
    rows: list[tuple[str, ...]] = []
    for name, text in OPTIMIZERS.items():
        for setting in text.tune:
            rows.append((name, f"`{setting.name}`", default(name, setting.name), setting.typical, setting.what))
    return _table(("optimizer", "setting", "default", "typical", "what it does"), rows)


def _decays() -> str:
    rows = (
        (f"`{name}`", f"`{algebra.beside(RULES['Adam'], NAMED[name])}`", text.use, text.avoid, text.lam, text.who)
        for name, text in DECAYS.items()
    )
    return _table(("decay", "with the ridge", "best for", "not for", "λ", "who"), rows)


def _regularizers() -> str:
    rows = ((f"`{t.name}`", t.value, t.prox, t.use, t.avoid) for t in REGULARIZERS.values())
    return _table(("regularizer", "R(w)", "prox_τ(y)", "best for", "not for"), rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"
