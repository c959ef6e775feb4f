"""Before a study: what it will not say; after it: what to use, what is in doubt, and the cells and seeds that help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab import OPTIMIZER_SPECS, ExecutionConfig, Findings, Settings, plan, run_study
from halflife.lab.analysis import decide, decision_words
from halflife.lab.planning import limits_of
from halflife.lab.refinement import longer

LRS, LAMS = (1e-3, 1e-2, 1e-1), (0.01, 0.1, 1.0)
HERE = ExecutionConfig(workers=1)


def found(
    name: str = "adamw-paper", best: tuple[int, int] = (1, 1), height: float = 0.1, test: float = 0.0
) -> Findings:
    """A bowl with its best cell where it is asked for; a little noise over four seeds."""
    i, j = np.indices((3, 3))
    bowl = height * (1 + (i - best[0]) ** 2 + (j - best[1]) ** 2)
    noise = np.random.default_rng(0).normal(0, 0.001, (4, 1, 1))
    val = bowl + noise
    return Findings(OPTIMIZER_SPECS[name], LRS, LAMS, val, val + test, np.zeros((4, 3, 3), bool))


def baseline(error: float = 0.5) -> Findings:
    one = found("adam-l2")
    return replace(one, lams=(0.0,), val=np.full((4, 3, 1), error), test=np.full((4, 3, 1), error))


def test_the_line_makes_the_optimizer_of_the_best_cell() -> None:
    decision = decide([found(), found("adam-p", height=0.3)], baseline())
    assert decision.line == "halflife.AdamW(model.parameters(), lr=0.01, weight_decay=0.1, decay='independent')"
    assert not decision.edges
    assert "decay gains 40.0 points" in " ".join(decision_words(decision))


def test_decay_that_gains_nothing_is_said() -> None:
    assert "decay gains nothing here" in " ".join(decision_words(decide([found()], baseline(0.05))))


@pytest.mark.parametrize(
    ("best", "words"),
    [
        ((0, 1), "The best lr of AdamW (paper), 0.001, is the smallest tried"),
        ((1, 2), "λ of AdamW (paper), 1, is the l"),
    ],
)
def test_a_best_cell_at_an_edge_is_said(best: tuple[int, int], words: str) -> None:
    decision = decide([found(best=best)], baseline())
    assert words in " ".join(decision_words(decision))
    assert decision.is_open


def test_who_is_far_behind_needs_no_more_cells() -> None:
    assert not decide([found(), found("adam-p", best=(0, 0), height=0.3)], baseline()).edges


def test_a_leader_that_trails_on_the_test_set_is_said() -> None:
    words = " ".join(decision_words(decide([found(test=0.05), found("adam-p", height=0.101)], baseline())))
    assert "On the test set AdamP scores better" in words
    assert "Validation chooses" in words


def test_a_grid_is_made_longer_by_its_own_ratio() -> None:
    assert longer((0.01, 0.1, 1.0), upper=True) == (0.01, 0.1, 1.0, 10.0, 100.0)
    assert longer((0.01, 0.1), upper=False) == (0.0001, 0.001, 0.01, 0.1)


def test_what_a_study_cannot_say_is_said_before() -> None:
    words = " ".join(limits_of(Settings(lrs=(1e-3, 1e-2), lams=(0.1, 1.0), seeds=1)))
    assert "it takes 4 learning rates" in words
    assert "it takes 3 λ" in words
    assert "One seed" in words
    assert limits_of(Settings(optimizers=("adamw",))) == []
    assert "it takes 8" in " ".join(limits_of(Settings()))


def test_a_plan_counts_and_trains_nothing(tmp_path: Path) -> None:
    settings = Settings(optimizers=("adamw",), lrs=(1e-3, 1e-2), lams=(0.1, 1.0), seeds=1, epochs=1, batch_size=100)
    before = plan(settings, tmp_path, HERE)
    assert (before.networks, before.done) == (6, 0)
    assert not [*tmp_path.iterdir()]
    assert 0 < before.minutes < 1
    run_study(settings, tmp_path, how=HERE)
    assert plan(settings, tmp_path, HERE).done == 6


def test_refining_adds_cells_beyond_an_edge(tmp_path: Path) -> None:
    """A learning rate that is far too small everywhere: the larger ones are tried."""
    settings = Settings(optimizers=("adamw",), lrs=(1e-4, 2e-4), lams=(0.1, 1.0), seeds=2, epochs=5, batch_size=50)
    first, *_ = run_study(settings, tmp_path, how=HERE, refine=True).results
    assert max(first.findings[0].lrs) > 2e-4
    assert not first.findings[0].missing


def test_the_terminal_ends_in_what_to_do(tmp_path: Path) -> None:
    words = ["study", "digits", "--seeds", "2", "--epochs", "1", "--batch-size", "100", "--workers", "1"]
    words += ["--lrs", "1e-3,1e-2", "--lambdas", "0.1,1", "--optimizer", "adamw", "--out", str(tmp_path / "out")]
    planned = CliRunner().invoke(app, [*words, "--plan"])
    assert planned.exit_code == 0, planned.output
    assert "10 networks" not in planned.output
    assert "12 networks" in planned.output
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "Use halflife.AdamW(model.parameters(), lr=0.01" in done.output
    assert "κ will not be identified: it takes 4 learning rates" in done.output
    assert "--refine adds" in done.output
