"""What to add to a study that leaves its question open: cells beyond an edge, seeds where they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .analysis.comparison import seeds_needed
from .analysis.decision import Decision, decide
from .analysis.findings import Findings
from .config.settings import Settings
from .inference import NotIdentified
from .result import Result

STEPS = 2
"""Values added beyond an edge, at the distance of the last two."""
MOST_SEEDS = 16
ROUNDS = 3
"""How often a grid is made longer at most: a best cell that still runs away is said, not chased."""


def decision_of(result: Result) -> Decision:
    """What a study comes to."""
    return decide(result.findings, result.baseline)


def beyond_edges(result: Result) -> Settings | None:
    """The same study with longer grids for those whose best cell lies at an end; None where none does."""
    edges, settings = decision_of(result).edges, result.settings
    if not edges:
        return None
    lrs = {found.spec.name: found.lrs for found in result.findings}
    lams = {found.spec.name: found.lams for found in result.findings}
    for edge in edges:
        grids = lrs if edge.axis == "lr" else lams
        grids[edge.name] = longer(grids[edge.name], edge.upper)
    baseline = {result.baseline.spec.name: result.baseline.lrs}
    return replace(settings, lrs={**baseline, **lrs}, lams=lams)


def longer(grid: Sequence[float], upper: bool) -> tuple[float, ...]:
    """With ``STEPS`` more values at one end, each by the ratio of the last two from the one before."""
    end, next_to = (grid[-1], grid[-2]) if upper else (grid[0], grid[1])
    added = [float(f"{end * (end / next_to) ** k:.2g}") for k in range(1, STEPS + 1)]
    return tuple(sorted({*grid, *added}))


def more_seeds(result: Result) -> Settings | None:
    """A smaller study with more seeds: who is in contention, about the best cells; None if all is decided."""
    decision, settings = decision_of(result), result.settings
    if not decision.undecided or settings.seeds >= MOST_SEEDS:
        return None
    kept = [one for one in result.findings if one is decision.leader or one.spec.label in decision.undecided]
    boxes = {one.spec.name: _box(one) for one in kept}
    needed = max(2 * settings.seeds, seeds_needed(max(len(kept) - 1, 1)))
    return replace(
        settings,
        optimizers=tuple(one.spec.name for one in kept),
        lrs={name: lrs for name, (lrs, _) in boxes.items()} | {result.baseline.spec.name: (result.baseline.best_lr,)},
        lams={name: lams for name, (_, lams) in boxes.items()},
        seeds=min(needed, MOST_SEEDS),
    )


def _box(found: Findings) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The rows and columns that hold the cells that may be best."""
    cells = (found.best,) if isinstance(found.near_best, NotIdentified) else found.near_best
    rows, columns = [i for i, _ in cells], [j for _, j in cells]
    return found.lrs[min(rows) : max(rows) + 1], found.lams[min(columns) : max(columns) + 1]
