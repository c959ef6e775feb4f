"""Curves, difference, scale-freeness: what they say, and that every kind of file is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from halflife.lab.figures import curves_spec, difference_spec, draw_curves, figures_of, save, scale_free_spec
from halflife.lab.figures.spec import number_text
from halflife.lab.figures.spec.axes import limits, nice_ticks
from halflife.lab.figures.spec.difference import finding, reading, sign_words
from halflife.lab.figures.spec.heatmap import position
from halflife.lab.figures.spec.paired import paired_spec
from halflife.lab.figures.spec.scale_free import common_limits, within
from halflife.lab.units import difference_text, error_text

from .report.fabricated import SETTINGS, conditions, fabricated

SMALL = replace(SETTINGS, optimizers=("adamw-paper", "prox-adam"), lrs=SETTINGS.lrs[:4], seeds=2)


@pytest.mark.parametrize(
    ("value", "text"), [(0.003, "0.003"), (3e-4, "3e-4"), (1.5e-5, "1.5e-5"), (10.0, "10"), (0.0, "0")]
)
def test_a_grid_value_is_short(value, text):
    assert number_text(value) == text


def test_an_error_is_in_percent_where_it_is_a_share():
    assert error_text(0.0712, "misclassified", 0.0031) == "7.1 ± 0.3 %"
    assert error_text(1.2345, "nats") == "1.23"
    assert error_text(float("nan"), "misclassified") == "–"
    assert difference_text(-0.0123, "misclassified") == "−1.23"
    assert difference_text(1e-9, "misclassified") == "0"


def test_curves_are_means_over_seeds_with_all_cells():
    result = fabricated(SMALL)
    found = result.found("adamw-paper")
    info = curves_spec(result, found)
    assert info.val_error.shape == (4, 7, 12)
    assert info.epochs == tuple(range(1, 13))
    assert info.val_error[2, 3] == pytest.approx(result.curves(found).val_error[:, 2, 3].mean(0))
    assert info.best == found.best


def test_a_line_ends_where_a_seed_diverges_and_a_missing_seed_does_not_end_it():
    settings = replace(SMALL, optimizers=("adam-l2",))
    gone = fabricated(settings, missing=lambda run: run.seed == 1 and run.lam == 1e-3)
    info = curves_spec(gone, gone.findings[0])
    assert np.isfinite(info.val_error[0, -1]).tolist() == [True] * 6 + [False] * 6
    assert np.isfinite(info.val_error[0, 2]).all()
    none = fabricated(settings, missing=lambda run: run.lam == 1e-3)
    assert np.isnan(curves_spec(none, none.findings[0]).val_error[0, 2]).all()


def test_long_trainings_are_thinned_and_keep_their_end():
    result = fabricated(replace(SMALL, epochs=400))
    info = curves_spec(result, result.findings[0])
    assert len(info.epochs) == 150
    assert info.epochs[-1] == 400


def test_a_study_without_curves_has_none():
    result = fabricated(replace(SMALL, curves=False))
    assert curves_spec(result, result.findings[0]) is None


def test_the_difference_is_paired_and_beside_the_noise_of_seeds():
    result = fabricated(SMALL)
    info = difference_spec(result)
    adamw, prox = (result.found(name).val for name in ("adamw-paper", "prox-adam"))
    assert info.difference == pytest.approx((prox - adamw).mean(0))
    assert info.error == pytest.approx((prox - adamw).std(0, ddof=1) / np.sqrt(2))
    assert info.noise == pytest.approx(np.median(adamw.std(0, ddof=1)))
    assert "ProxAdam" not in reading(info)
    assert "points" in reading(info)


def test_no_difference_without_both_optimizers_or_with_other_grids():
    result = fabricated(replace(SMALL, optimizers=("adamw-paper", "adamw-torch")))
    assert difference_spec(result) is None
    assert difference_spec(result, "adamw-paper", "adamw-torch") is None


def test_scale_freeness_compares_every_factor_with_the_least():
    panels = scale_free_spec(list(reversed(conditions(optimizers=("adam-l2", "adamw-paper")))))
    adam, adamw = panels
    assert (adam.title, adam.factors) == ("AdamL2", (10.0, 100.0))
    assert adamw.moved == pytest.approx((0, 0))
    assert adam.moved[1] > adam.moved[0] > 0.01
    assert adam.scaled[1][0, 0] == pytest.approx(min(adam.base[0, 0] * 100**0.1, 0.9))
    assert scale_free_spec(conditions()[:1]) == []


def test_axes_hold_all_that_is_finite_with_ticks_inside():
    low, high = limits(np.array([0.07, np.nan, 0.9, 0.0]))
    assert 0.05 < low < 0.07
    assert 0.9 < high < 1.1
    for ends in ((low, high), (6.9, 11.2), (1e-6, 1e3), (0.5, 0.501)):
        ticks = nice_ticks(*ends)
        assert 2 <= len(ticks) <= 12
        assert ends[0] <= min(ticks) <= max(ticks) <= ends[1]


def test_a_point_lies_between_its_cells_by_logarithm_and_half_a_cell_beyond_the_last():
    assert position(np.array([1e-3, 10**-2.5, 1e-2, 1.0]), (1e-3, 1e-2)) == pytest.approx([0, 0.5, 1, 1.5])
    assert position(np.array([5.0]), (1.0,)) == pytest.approx([0])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_every_figure_of_a_study_is_written_in_every_format(tmp_path, suffix):
    names = []
    for name, title, figure in figures_of([fabricated(SMALL)]):
        save(figure, tmp_path / f"{name}.{suffix}")
        names.append(name)
        assert title
    assert names == ["heatmap", "curves-adamw-paper", "curves-prox-adam", "difference"]
    assert all((tmp_path / f"{name}.{suffix}").stat().st_size > 5000 for name in names)


def test_the_same_svg_comes_out_again(tmp_path):
    figures = [draw_curves(curves_spec(result, result.findings[0]), "") for result in [fabricated(SMALL)] * 2]
    for name, figure in zip("ab", figures, strict=True):
        save(figure, tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "AdamW (paper)" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_arms_are_numbered_and_share_one_plot_of_their_scales():
    assert [name for name, *_ in figures_of(conditions())][-2:] == ["difference-3", "scale-free"]


def test_a_study_in_progress_is_drawn():
    result = fabricated(SMALL, missing=lambda run: run.seed == 1 or (run.lr, run.lam) == (1e-3, 1e-4))
    assert next(name for name, *_ in figures_of([result])) == "heatmap"


def test_a_long_subtitle_pushes_down_what_stands_below_it_and_headlines_fit():
    few = replace(SMALL, lrs=SMALL.lrs[:2], curves=True)
    wordy = replace(fabricated(few).problem, description="a problem that takes many words to be told, " * 9)
    narrow = replace(fabricated(few), problem=wordy)
    for name, _, figure in figures_of([narrow]):
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.texts]
        headline, subtitle = sorted(boxes, key=lambda box: -box.y1)[:2]
        assert headline.x1 <= figure.bbox.x1, name
        assert subtitle.x1 <= figure.bbox.x1, name
        below = [legend.get_window_extent().y1 for legend in figure.legends]
        below += [axis.get_tightbbox().y1 for axis in figure.axes]
        assert subtitle.y0 > max(below), name


def test_error_beside_norm_of_adamw_and_adamp():
    settings = replace(SETTINGS, optimizers=("adamw-paper", "adam-p"), lrs=SETTINGS.lrs, seeds=2)
    result = fabricated(settings)
    info = paired_spec(result)
    assert info.titles == ("AdamW (paper)", "AdamP")
    assert len(info.lrs) == 4
    first = result.found("adamw-paper")
    row = first.lrs.index(info.lrs[0])
    alive = ~first.diverged[:, row].any(0)
    assert info.errors[0][0][alive] == pytest.approx(first.val[:, row].mean(0)[alive])
    assert np.isnan(info.errors[0][0][~alive]).all()
    assert info.norms[1][0][0] == pytest.approx(result.column(result.found("adam-p"), "weight_norm")[:, row, 0].mean())
    assert info.finding.startswith("At the best cell: AdamW (paper) ")
    first.diverged[0, row, 2] = True
    lost = paired_spec(result)
    assert np.isnan(lost.errors[0][0][2])
    assert np.isnan(lost.norms[0][0][2])
    assert np.isfinite(lost.errors[1][0][2])
    assert paired_spec(fabricated(SMALL)) is None
    assert "paired" in [picture.name for picture in figures_of([result])]


def test_scale_free_axes_are_made_for_most_cells_and_show_all():
    panels = scale_free_spec(conditions())
    panels[0].base[0, 0] = 50.0
    low, high = common_limits(panels)
    assert high < 2.0
    assert within(panels[0].base, (low, high)).max() == high


def test_a_difference_says_who_has_fewer_errors():
    info = difference_spec(fabricated(SMALL))
    info.difference[:] = -0.5
    info.error[:] = 0.01
    assert finding(info) == "ProxAdam is better in 28 of 28 cells, AdamW (paper) in 0"
    info.difference[:] = 0.0
    assert "are not told apart in any of 28 cells" in finding(info)
    assert sign_words(info) == ("ProxAdam has fewer errors", "AdamW (paper) has fewer errors")
