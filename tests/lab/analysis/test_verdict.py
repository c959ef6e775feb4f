import numpy as np
import pytest

from halflife.lab import OPTIMIZER_SPECS, Findings
from halflife.lab.analysis import findings, self_test, self_test_words, sentences, verdict
from halflife.lab.analysis.sentences import price_words
from halflife.lab.analysis.verdict import judge
from halflife.lab.inference import Interval, NotIdentified

LRS = tuple(np.geomspace(1e-3, 1e-1, 9).tolist())
STEP = LRS[1] / LRS[0]
LAMS = tuple((1e-2 * STEP ** np.arange(-10, 11)).tolist())


def study(kappa, name="adamw-torch", seeds=4, noise=0.05, random=0, height=0.3, lrs=LRS, lams=LAMS):
    """A valley with its floor on z = −κx."""
    x, z = np.log(lrs)[:, None], np.log(lams)[None, :]
    clean = 0.08 * np.exp(height * (z - z.mean() + kappa * (x - x.mean())) ** 2 + 0.02 * (x - x.mean()) ** 2)
    normal = np.random.default_rng(random).standard_normal((seeds, *clean.shape))
    val = np.minimum(clean * np.exp(noise * normal), 0.9)
    return Findings(OPTIMIZER_SPECS[name], tuple(lrs), tuple(lams), val, val + 0.01, np.zeros(val.shape, dtype=bool))


class Run:
    """What ``findings`` reads of a network's results."""

    def __init__(self, error):
        self.val_error = self.test_error = error
        self.diverged = error != error  # noqa: PLR0124


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ((-0.2, 0.2), "decoupled"),
        ((-0.2, 0.3), "undecided"),
        ((0.01, 0.3), "undecided"),
        ((0.3, 0.4), "coupled"),
        ((-1.2, -0.9), "coupled"),
    ],
)
def test_decoupled_takes_the_whole_interval_inside_a_quarter(ends, state):
    assert judge(Interval(*ends, 0.9)) == state
    assert judge(NotIdentified("")) == "not identified"


def test_a_convention_shifts_kappa_and_its_interval_by_its_power():
    found = study(0.5)
    own = found.kappa.interval()
    for one in verdict(found).conventions:
        assert one.kappa == pytest.approx(found.kappa.value - one.power)
        assert one.interval[:2] == pytest.approx((own.low - one.power, own.high - one.power))


def test_pytorchs_and_the_papers_forms_name_each_other():
    """λ_paper = lr·λ_PyTorch, so κ of the paper's form is that of PyTorch's less 1."""
    torch = {one.formula: one for one in verdict(study(1.0)).conventions}
    assert torch["lr·λ"].name == "the paper's AdamW"
    assert torch["lr·λ"].kappa == pytest.approx(0, abs=0.05)
    paper = {one.formula: one for one in verdict(study(-1.0, "adamw-paper")).conventions}
    assert paper["λ/lr"].name == "PyTorch's AdamW"
    assert paper["λ/lr"].kappa == pytest.approx(0, abs=0.05)
    assert paper["λ/lr"].state == "decoupled"
    assert verdict(study(-1.0, "adamw-paper")).nearest.formula == "λ/lr"


def test_decoupled_and_safe_in_words():
    words = sentences(study(0.0, noise=0.01))
    assert words[1] == "Decoupled: the best λ stays when lr changes (×1 for ten times the lr)."
    assert words[2].startswith("Tuning lr and λ apart is safe: it costs ")


def test_coupled_in_words_with_what_to_hold_fixed():
    words = sentences(study(-1.0, "adamw-paper"))
    assert words[1].startswith("Coupled: the best λ grows with lr (×")
    assert "hold λ/lr fixed, as in PyTorch's AdamW (κ " in words[1]
    assert "decoupled)" in words[1]
    assert words[2].startswith("Tune lr and λ together: tuning them apart costs ")
    falls = sentences(study(1.0, "adam-l2"))[1]
    assert "falls with lr" in falls
    assert "hold lr·λ fixed (κ" in falls
    between = sentences(study(-0.5, "adam-l2", noise=0.001))[1]
    assert "what stays is λ·lr^−0.5" in between


def test_ten_times_the_learning_rate_moves_the_best_lambda_by_ten_to_the_minus_kappa():
    assert "grows with lr (×10 for ten times the lr)" in sentences(study(-1.0, noise=0.001))[1]
    assert "falls with lr (×0.1 for ten times the lr)" in sentences(study(1.0, noise=0.001))[1]


def test_whether_it_is_safe_is_left_open_where_the_interval_does():
    found = study(0.0)
    interval, bearable = found.regret.separate.interval(), 0.1 * found.error[found.best]
    assert interval.low < bearable < interval.high
    assert verdict(found).safe is None
    assert sentences(found)[2].endswith("whether that is safe, more seeds would tell.")


@pytest.mark.parametrize(("kappa", "power"), [(2.0, "2"), (-2.0, "−2"), (1.5, "1.5")])
def test_a_kappa_that_no_convention_has_names_its_own_power(kappa, power):
    words = sentences(study(kappa, noise=0.01))[1]
    assert f"what stays is λ·lr^{power}: hold that fixed." in words
    assert "nearly so" not in words
    assert "nearly so" in sentences(study(0.8, noise=0.03))[1]


def test_nothing_is_said_to_be_safe_where_every_network_diverged():
    runs = [Run(float("nan"))] * 4 * len(LRS) * len(LAMS)
    for chance in (None, 0.9):
        found = findings(OPTIMIZER_SPECS["adamw-torch"], LRS, LAMS, runs, chance)
        assert verdict(found).safe is None
        (words,) = sentences(found)
        assert words.startswith("Every network diverged: ")


def test_nothing_is_said_to_be_safe_where_all_but_one_diverged():
    """They count as the worst that did not, and that is the only one: all cells are alike."""
    runs = [Run(float("nan"))] * 4 * len(LRS) * len(LAMS)
    runs[7] = Run(0.3)
    found = findings(OPTIMIZER_SPECS["adamw-torch"], LRS, LAMS, runs, None)
    assert verdict(found).safe is None
    words = sentences(found)
    assert not any("safe" in one for one in words)
    assert any("what tuning lr and λ apart costs is unknown" in one for one in words)


def test_a_negative_cost_is_explained_where_it_stands():
    words = [price_words(one, verdict(one)) for one in (study(0.0, noise=0.1, random=i) for i in range(30))]
    safe = [one for one in words if "safe: it costs −" in one]
    open_ = [one for one in words if "apart costs −" in one]
    assert safe
    assert open_
    assert all(one.endswith("points (negative: within noise, nothing is lost).") for one in safe)
    assert all("points (negative: within noise): whether that is safe" in one for one in open_)
    assert not any("negative" in one for one in words if one not in {*safe, *open_})


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_errors_in_another_unit_change_no_verdict_nor_any_kappa(factor):
    found = study(0.5)
    val = np.round(found.val * 50) / 50
    val[0, 4, 10] = 0.0
    one, other = (Findings(found.spec, LRS, LAMS, scale * val, scale * val, found.diverged) for scale in (1.0, factor))
    assert other.samples.min() == pytest.approx(factor * val[val > 0].min() / 2)
    assert other.kappa.value == pytest.approx(one.kappa.value, abs=1e-9)
    assert other.kappa.interval()[:2] == pytest.approx(one.kappa.interval()[:2], abs=1e-9)
    assert verdict(one).safe == verdict(other).safe
    assert [part.state for part in verdict(one).conventions] == [part.state for part in verdict(other).conventions]


def test_undecided_in_words():
    assert "Neither coupled nor decoupled is shown" in sentences(study(0.22))[1]


def test_not_identified_in_words():
    words = sentences(study(0.0, height=0.0))
    assert words[1].startswith("κ not identified: the best λ lies inside the grid, and matters, at 0 of 9")


def test_one_seed_gives_numbers_and_says_that_their_surety_is_unknown():
    words = " ".join(sentences(study(0.5, seeds=1)))
    assert "how surely is unknown (one seed" in words
    assert "how surely is unknown (1 seed: no interval without a second)" in words
    assert "safe" not in words


def test_errors_that_are_no_shares_are_not_points():
    found = study(-1.0)
    nats = Findings(found.spec, LRS, LAMS, found.val, found.test, found.diverged, "nats a character")
    assert "points" in sentences(found)[2]
    assert sentences(nats)[2].endswith(" nats a character.")


def test_missing_cells_are_named_and_a_seed_that_lacks_one_is_left_out():
    found = study(0.5, seeds=5)
    found.val[4, 2, 3] = np.nan
    assert found.missing == ((2, 3),)
    assert found.complete == (0, 1, 2, 3)
    assert found.kappa.seeds == 4
    assert sentences(found)[-1] == "1 cells lack a run: 1 of 5 seeds are left out."
    hole = study(0.5)
    hole.val[:, 2, 3] = np.nan
    for missing in (hole.kappa, hole.coupling.kappa, hole.regret, hole.interaction, hole.near_best):
        assert f"missing: lr {LRS[2]:g}, λ {LAMS[3]:g}" in missing.reason
    assert hole.best == np.unravel_index(np.nanargmin(hole.val.mean(0)), (9, 21))
    assert np.isfinite(hole.val_error.mean)


def two_forms(shift):
    """One surface in two parametrizations: the same errors on a grid of λ sheared by a whole step for each lr."""
    torch = study(0.3)
    val = np.stack([np.roll(torch.val[:, i], shift * (i - 4), axis=-1) for i in range(9)], axis=1)
    paper = Findings(OPTIMIZER_SPECS["adamw-paper"], LRS, LAMS, val, val, torch.diverged)
    return [torch, paper]


def test_the_two_forms_of_adamw_differ_by_exactly_one():
    tested = self_test(two_forms(1))
    assert tested.difference.value == pytest.approx(1, abs=1e-12)
    assert tested.difference.replicates == pytest.approx([1.0] * 4)
    assert tested.passed is True
    assert "Self-test passed" in self_test_words(tested)


@pytest.mark.parametrize("shift", [0, -1])
def test_a_decay_that_is_not_what_it_says_fails_the_self_test(shift):
    tested = self_test(two_forms(shift))
    assert tested.passed is False
    assert self_test_words(tested).startswith("WARNING, self-test failed")


def test_the_self_test_needs_both_forms_and_a_kappa_of_each():
    assert self_test([study(0.3)]) is None
    assert self_test_words(None) == ""
    blank = self_test([study(0.0, height=0.0), two_forms(1)[1]])
    assert blank.passed is None
    assert "Self-test not possible: κ of AdamW (PyTorch) is not identified" in self_test_words(blank)
