"""What to do with what a study found: the optimizer, lr and λ to use, how surely, and what would make it surer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..config.optimizers import OptimizerSpec
from ..inference import NotIdentified
from ..units import difference_unit, error_text, interval_text
from .comparison import Comparison, compare, honest_scores
from .findings import Findings
from .sentences import SIGNIFICANT

CONTENTION = 1.1
"""An optimizer whose best error is within a tenth of the leader's may still be the one to use."""


class Edge(NamedTuple):
    """A best cell at an end of its grid: of which axis, "lr" or "λ", the value there, and which end."""

    label: str
    name: str
    axis: str
    value: float
    upper: bool


class Decision(NamedTuple):
    """``line`` is to be pasted; ``why`` and ``doubts`` are sentences; ``edges`` ask for more cells, ``undecided`` names
    optimizers that more seeds may put first.
    """

    leader: Findings
    line: str
    why: list[str]
    doubts: list[str]
    edges: list[Edge]
    undecided: list[str]

    @property
    def is_open(self) -> bool:
        """Whether ``--refine`` has something to add."""
        return bool(self.edges or self.undecided)


def decide(found: Sequence[Findings], baseline: Findings) -> Decision:
    """Of the findings of a study with at least one finished network."""
    leader = min(found, key=lambda one: one.val_error.mean)
    compared = compare(found)
    edges = [edge for one in found if in_contention(one, leader) for edge in edges_of(one)]
    undecided = [] if isinstance(compared, NotIdentified) else _undecided(found, leader, compared)
    doubts = [*_edge_words(edges), *_trailing(found, leader)]
    if undecided:
        doubts.append(f"More seeds may put {' or '.join(undecided)} before it.")
    return Decision(leader, constructor(leader), _why(leader, baseline), doubts, edges, undecided)


def constructor(found: Findings) -> str:
    """The line that makes the optimizer of the best cell."""
    spec = found.spec
    words = [f"lr={found.best_lr:g}", f"weight_decay={found.best_lam:g}"]
    words += [f"{name}={_written(value)}" for name, value in spec.settings]
    return f"{_called(spec)}({_params(spec)}, {', '.join(words)})"


def _params(spec: OptimizerSpec) -> str:
    """What it is given to step; of one that takes matrices alone, groups of which the rest is AdamW's."""
    if not spec.matrix:
        return "model.parameters()"
    words = [f"matrix={spec.matrix!r}", f"head={None if spec.head is None else list(spec.head)!r}", "no_decay=()"]
    both = ", ".join(f"{name!r}: {_written(value)}" for name, value in spec.of_both_rules.items())
    words += [f"overrides={{'*': {{{both}}}}}"] if both else []
    return f"halflife.param_groups(model, {', '.join(words)})"


def _called(spec: OptimizerSpec) -> str:
    name = getattr(spec.optimizer, "__qualname__", spec.label)
    if spec.identity:
        return spec.label if ".py:" in spec.name else spec.name
    return f"halflife.{name}"


def _written(value: object) -> str:
    module = type(value).__module__
    return f"halflife.regularizers.{value!r}" if module.startswith("halflife.regularizers") else repr(value)


def in_contention(found: Findings, leader: Findings) -> bool:
    """Whether an optimizer may still be the one to use."""
    return found.val_error.mean <= CONTENTION * leader.val_error.mean


def edges_of(found: Findings) -> list[Edge]:
    """Where the best cell lies at an end of a grid that has another value."""
    edges: list[Edge] = []
    for axis, grid, place in (("lr", found.lrs, found.best[0]), ("λ", found.lams, found.best[1])):
        if len(grid) > 1 and place in (0, len(grid) - 1):
            edges.append(Edge(found.spec.label, found.spec.name, axis, grid[place], upper=place > 0))
    return edges


def _edge_words(edges: Sequence[Edge]) -> list[str]:
    return [
        f"The best {edge.axis} of {edge.label}, {edge.value:g}, is the {'largest' if edge.upper else 'smallest'} "
        f"tried: a {'larger' if edge.upper else 'smaller'} one may be better."
        for edge in edges
    ]


def _why(leader: Findings, baseline: Findings) -> list[str]:
    """What the best cell scores, what decay is worth, and what cannot be told from it."""
    test, val = (error_text(score.mean, leader.unit, score.spread) for score in (leader.test_error, leader.val_error))
    scored = f"Test error {test}, of the cell that validation chose." if test != "–" else f"Validation error {val}."
    why = [scored]
    known = baseline.error[np.isfinite(baseline.error)]
    if len(known):
        gain = float(known.min()) - leader.val_error.mean
        words = error_text(float(known.min()), leader.unit)
        why.append(
            f"Without decay Adam's best validation error is {words}: decay gains "
            f"{interval_text(gain, None, leader.unit)}."
            if gain > 0
            else f"Without decay Adam's best validation error is {words}: decay gains nothing here."
        )
    if not isinstance(leader.near_best, NotIdentified) and len(leader.near_best) > 1:
        lrs = [leader.lrs[i] for i, _ in leader.near_best]
        lams = [leader.lams[j] for _, j in leader.near_best]
        why.append(
            f"As good, for all these seeds tell: lr {min(lrs):g} … {max(lrs):g} with λ {min(lams):g} … {max(lams):g}, "
            f"{len(leader.near_best)} cells."
        )
    return why


def _undecided(found: Sequence[Findings], leader: Findings, compared: Sequence[Comparison]) -> list[str]:
    """Who is in contention and not shown to differ from the leader."""
    labels = {one.spec.label for one in found if one is not leader and in_contention(one, leader)}
    return [one.other for one in compared if one.other in labels and one.p_holm > SIGNIFICANT]


def _trailing(found: Sequence[Findings], leader: Findings) -> list[str]:
    """A leader on validation that another one beats on the test set, and what that means."""
    others = [one for one in found if one is not leader and one.complete == leader.complete and len(one.complete) > 1]
    if not others or len(leader.complete) < 2:
        return []
    scores = {one.spec.label: honest_scores(one) for one in others}
    own = honest_scores(leader)
    best = min(scores, key=lambda label: float(scores[label].mean()))
    gap = own - scores[best]
    if not np.isfinite(gap).all() or gap.mean() <= 0:
        return []
    noise = float(gap.std(ddof=1) / len(gap) ** 0.5)
    surely = "within" if gap.mean() < 2 * noise else "beyond"
    return [
        f"On the test set {best} scores better, by {interval_text(float(gap.mean()), None, leader.unit)}, {surely} "
        "what seeds explain. Validation chooses, as it must."
    ]


def decision_words(decision: Decision) -> list[str]:
    """In lines: what to use, why, and what is in doubt; a negative cost is explained where there is one."""
    lines = [f"Use {decision.line}", *decision.why, *decision.doubts]
    regret = decision.leader.regret
    if not isinstance(regret, NotIdentified) and min(regret.transfer.value, regret.separate.value) < 0:
        unit = difference_unit(decision.leader.unit)
        lines.append(f"A cost below 0 {unit} is luck of the seeds: nothing is lost.")
    return lines
