"""The table of all conventions in Markdown: ``python -m halflife.conventions.table`` writes that of the docs."""

from __future__ import annotations

from collections.abc import Iterator

from .convention import Convention, Settings
from .registry import CONVENTIONS

HEADS = ("name", "what", "update", "defaults: lr, λ, others", "source")


def markdown() -> str:
    """A row for each convention, and its notes below."""
    rows = [HEADS, ("---",) * len(HEADS), *map(_row, CONVENTIONS.values())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(line for c in CONVENTIONS.values() for line in _notes(c))]) + "\n"


def _row(c: Convention) -> tuple[str, ...]:
    return (f"`{c.name}`", c.title, c.update, _defaults(c, c.defaults), c.source)


def _defaults(c: Convention, s: Settings) -> str:
    betas = f"β {s.betas[0]:g} {s.betas[1]:g}"
    others = {"sgd": (f"μ {s.momentum:g}",), "lion": (betas,), "muon": (f"μ {s.momentum:g}", f"ε {s.eps:g}")}.get(
        c.rule, (betas, f"ε {s.eps:g}")
    )
    return ", ".join([f"{s.lr:g}", f"{s.weight_decay:g}", *others])


def _notes(c: Convention) -> Iterator[str]:
    texts = list(c.notes)
    if c.beyond:
        texts.append(f"Nothing converts to or from it, for {c.beyond}.")
    if texts:
        yield f"- `{c.name}`: {' '.join(texts)}"


if __name__ == "__main__":
    print(markdown(), end="")
