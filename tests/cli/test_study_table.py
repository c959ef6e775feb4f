import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from halflife.cli.study_table import kappa, meanings, results_table
from halflife.lab import BASELINE, OPTIMIZER_SPECS, Findings
from halflife.lab.units import error_text

LRS = tuple(np.geomspace(5e-4, 5e-2, 7).tolist())
LAMS = tuple(np.geomspace(1e-4, 1e-1, 7).tolist())


def found(name, tilt, seeds=4, unit="misclassified"):
    x, z = np.log(LRS)[:, None], np.log(LAMS)[None, :]
    clean = 0.08 * np.exp(0.3 * (z - z.mean() + tilt * (x - x.mean())) ** 2 + 0.02 * (x - x.mean()) ** 2)
    val = np.minimum(clean * np.exp(0.05 * np.random.default_rng(0).standard_normal((seeds, 7, 7))), 0.9)
    return Findings(OPTIMIZER_SPECS[name], LRS, LAMS, val, val + 0.01, np.zeros(val.shape, dtype=bool), unit)


def result(seeds=4, unit="misclassified"):
    val = np.full((seeds, 1, 1), 0.123)
    baseline = Findings(BASELINE, (1e-3,), (0.0,), val, val, val > 1, unit)
    pair = [found("adamw-torch", 0.0, seeds, unit), found("adamw-paper", -1.0, seeds, unit)]
    return SimpleNamespace(findings=pair, baseline=baseline, settings=SimpleNamespace(seeds=seeds))


def printed(result):
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(results_table(result))
    return console.file.getvalue()


def test_a_row_says_best_cell_test_error_kappa_regret_and_interaction_within_100_columns():
    table = printed(result())
    pair = result().findings
    for one in pair:
        row = next(line for line in table.splitlines() if one.spec.label in line)
        cells = [cell.strip() for cell in row.split("│")[1:-1]]
        assert cells[1:3] == [f"{one.best_lr:g}", f"{one.best_lam:g}"]
        assert cells[3] == error_text(one.test_error.mean, one.unit, one.test_error.spread)
        assert cells[4] == kappa(one)
        assert "…" in cells[4]
        assert cells[5] == f"{100 * one.regret.transfer.value:.1f}"
        assert cells[6] == f"{one.interaction.omega2.value:.2f}"
    assert max(map(len, table.splitlines())) <= 100
    assert "12.3 ± 0.0 %" in table


def test_a_verdict_for_each_optimizer_then_the_comparison_and_the_self_test():
    lines = meanings(result())
    assert [line.split(":")[0] for line in lines[:2]] == ["AdamW (PyTorch)", "AdamW (paper)"]
    assert "Decoupled" in lines[0]
    assert "Coupled" in lines[1]
    assert "4 seeds cannot show" in lines[2]
    assert lines[3].startswith("Self-test passed")


def test_one_seed_shows_numbers_without_intervals():
    table = printed(result(seeds=1))
    assert "12.3 %" in table
    assert "…" not in table
    assert "one seed" in " ".join(meanings(result(seeds=1)))


@pytest.mark.parametrize(("unit", "words"), [("misclassified", "12.3 ± 4.6 %"), ("nats a character", "0.123 ± 0.046")])
def test_errors_are_percent_only_where_they_are_shares(unit, words):
    assert error_text(0.1234, unit, 0.0456) == words
