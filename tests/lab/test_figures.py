import numpy as np
import pytest

from halflife.lab import BASELINE, OPTIMIZER_SPECS, Findings, NotIdentified, StudyError
from halflife.lab.figures import colour_scale, describe, draw, headline, heatmap_spec, save

LRS = tuple(np.geomspace(1e-3, 1e-1, 5).tolist())
LAMS = tuple(np.geomspace(1e-4, 1e-1, 7).tolist())


def found(kappa=0.5, spec=OPTIMIZER_SPECS["adam-p"]):
    x, z = np.log(LRS)[:, None], np.log(LAMS)[None, :]
    error = np.minimum(0.1 * np.exp(0.2 * (z - z.mean() + kappa * (x - x.mean())) ** 2 + 0.01 * (x - x[1]) ** 2), 0.9)
    seeds = np.stack([error * 0.9, error * 1.1])
    return Findings(spec, LRS, LAMS, seeds, seeds + 0.01, np.zeros(seeds.shape, dtype=bool))


def baseline():
    val = np.full((2, 5, 1), 0.2)
    return Findings(BASELINE, LRS, (0.0,), val, val, np.zeros(val.shape, dtype=bool))


def test_a_panel_says_who_where_and_how_far_coupled():
    info = heatmap_spec(found())
    assert (info.title, info.coupling) == ("AdamP", "κ = +0.50 (+0.45 … +0.55)")
    assert info.good[0] == np.unravel_index(info.errors.argmin(), info.errors.shape)
    assert len(set(info.good)) == 10
    worst_good = max(info.errors[cell] for cell in info.good)
    assert (info.errors < worst_good).sum() < 10


def test_the_ridge_runs_through_the_best_weight_decay_of_each_learning_rate():
    ridge = heatmap_spec(found(kappa=0.5)).ridge
    assert [lr for lr, _ in ridge] == pytest.approx(LRS)
    slopes = np.diff(np.log([lam for _, lam in ridge])) / np.diff(np.log(LRS))
    assert slopes == pytest.approx(-0.5)


def test_the_valley_is_the_line_of_slope_minus_kappa_from_the_first_column_to_the_last():
    (lr, lam), (last_lr, last_lam) = heatmap_spec(found(kappa=0.5)).valley
    assert (lr, last_lr) == pytest.approx((LRS[0], LRS[-1]))
    assert np.log(last_lam / lam) / np.log(last_lr / lr) == pytest.approx(-0.5)


def test_a_valley_is_not_drawn_where_kappa_is_not_identified():
    flat = found()
    flat = Findings(flat.spec, LRS, LAMS, np.full(flat.val.shape, 0.3), flat.test, flat.diverged)
    assert heatmap_spec(flat).valley == []


def test_a_cell_says_how_many_of_its_runs_are_done_and_what_they_spread():
    running = found()
    running.val[1, 2, 3] = np.nan
    running.val[:, 0, 0] = np.nan
    info = heatmap_spec(running)
    assert (info.seeds, info.n_runs[2, 3], info.n_runs[0, 0], info.n_runs[1, 1]) == (2, 1, 0, 2)
    assert np.isnan(info.spread[2, 3])
    assert info.spread[1, 1] == pytest.approx(running.val[:, 1, 1].std(ddof=1))
    assert np.isnan(info.errors[0, 0])
    assert (0, 0) not in info.good


def test_of_a_small_grid_only_the_better_half_is_marked():
    small = Findings(
        OPTIMIZER_SPECS["adam-p"], LRS[:2], LAMS[:3], *(found().val[:, :2, :3],) * 2, np.zeros((2, 2, 3), bool)
    )
    assert len(heatmap_spec(small).good) == 3


def test_a_scale_needs_no_reference_and_no_error_above_zero():
    perfect = found()
    perfect.val[:, 0, 0] = 0
    nothing = Findings(BASELINE, LRS, (0.0,), *(np.full((2, 5, 1), np.nan),) * 2, np.zeros((2, 5, 1), bool))
    scale = colour_scale([perfect], nothing)
    assert 0 < scale.low < scale.high
    assert np.isnan(scale.baseline)


def test_a_diverged_replica_marks_its_cell():
    lame = found()
    lame.diverged[1, 4, 6] = True
    assert np.argwhere(heatmap_spec(lame).diverged).tolist() == [[4, 6]]


def test_one_scale_for_all_panels_ends_where_a_cell_is_simply_bad():
    scale = colour_scale([found(0.5), found(-0.5)], baseline())
    assert scale.low == pytest.approx(min(found(0.5).error.min(), found(-0.5).error.min()))
    assert scale.high == pytest.approx(3 * scale.low)
    assert scale.baseline == pytest.approx(0.2)


def test_a_missing_kappa_is_said():
    assert describe(NotIdentified("too few")) == "κ not identified"
    assert describe(-1.0) == "κ = −1.00"


def test_every_panel_is_drawn_with_its_words_and_the_file_written(tmp_path):
    panels = [found(0.5), found(-0.5, OPTIMIZER_SPECS["adamw-torch"])]
    figure = draw([heatmap_spec(f) for f in panels], colour_scale(panels, baseline()), "subtitle")
    words = {text.get_text() for axis in figure.axes for text in (*axis.texts, axis.title, axis._left_title)}
    assert {"AdamP", "AdamW (PyTorch)"} <= words
    assert {word.partition(" (+")[0].partition(" (−")[0] for word in words} >= {"κ = +0.50", "κ = −0.50"}
    save(figure, tmp_path / "heatmap.png")
    assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_explained(tmp_path):
    figure = draw([heatmap_spec(found())], colour_scale([found()], baseline()), "")
    with pytest.raises(StudyError, match="cannot be written"):
        save(figure, tmp_path / "nowhere" / "heatmap.png")


def test_outliers_and_diverged_cells_stretch_no_colours():
    plain, wild, lost = found(0.0), found(0.0), found(0.0)
    wild.val[:, -1, -1] = 200.0
    lost.val[:, -1, -1] = 200.0
    lost.diverged[:, -1, -1] = True
    scales = [colour_scale([one], baseline()) for one in (plain, wild, lost)]
    assert scales[1].high == pytest.approx(scales[0].high, rel=0.1)
    assert scales[2].high == pytest.approx(scales[0].high, rel=0.1)


def test_a_cell_where_all_diverged_has_no_colour_and_is_hatched():
    one = found(0.0)
    one.diverged[:, 0, 0] = True
    one.diverged[0, 0, 1] = True
    panel = heatmap_spec(one)
    assert np.isnan(panel.shown[0, 0])
    assert np.isfinite(panel.shown[0, 1])
    assert panel.diverged[0, 1]
    figure = draw([panel], colour_scale([one], baseline()), "")
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(-0.5, -0.5), (0.5, -0.5)]


def test_the_title_says_the_finding():
    assert headline([found(0.5)]) == "AdamP: lr and λ are coupled"
    assert headline([found(0.0)]) == "AdamP: lr and λ are decoupled"
    assert headline([found(0.5), found(0.0), found(-0.5)]) == "lr and λ are coupled in 2 and decoupled in 1"
    assert headline([found(0.5), found(0.5)]) == "lr and λ are coupled in 2 of 2 optimizers"
    flat = found(0.0)
    flat.val[:] = 0.5
    assert "is open" in headline([flat])
    assert headline([flat, flat]) == "Whether lr and λ are coupled is open in both optimizers"
    assert headline([flat] * 3).endswith("in all 3 optimizers")


def test_kappa_that_is_not_identified_is_no_headline():
    flat = found(0.0)
    flat.val[:] = 0.5
    panel = heatmap_spec(flat)
    assert (panel.identified, panel.coupling) == (False, "κ not identified")
    figure = draw([panel], colour_scale([flat], baseline()), "")
    words = next(text for text in figure.axes[0].texts if text.get_text() == "κ not identified")
    assert words.get_fontweight() == "normal"


def test_the_colours_end_where_nine_tenths_of_the_cells_lie():
    one = found(0.0)
    one.val[:] = np.linspace(0.1, 0.15, 35).reshape(5, 7)
    one.val[:, -1, -1] = 0.29
    nothing = Findings(
        BASELINE, LRS, (0.0,), np.full((2, 5, 1), np.nan), np.full((2, 5, 1), np.nan), np.zeros((2, 5, 1), bool)
    )
    assert colour_scale([one], nothing).high == pytest.approx(np.quantile(one.error, 0.9))
    assert colour_scale([one], baseline()).high == pytest.approx(0.2)  # as far as Adam without decay reaches
