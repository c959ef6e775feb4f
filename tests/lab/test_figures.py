import numpy as np
import pytest

from halflife.lab import CONTENDERS, REFERENCE, Findings, StudyError
from halflife.lab.coupling import NotIdentified
from halflife.lab.figures import colour_scale, describe, draw, heatmap_info, save

LRS = tuple(np.geomspace(1e-3, 1e-1, 5).tolist())
LAMS = tuple(np.geomspace(1e-4, 1e-1, 7).tolist())


def found(kappa=0.5, contender=CONTENDERS["adam-p"]):
    x, z = np.log(LRS)[:, None], np.log(LAMS)[None, :]
    error = np.minimum(0.1 * np.exp(0.2 * (z - z.mean() + kappa * (x - x.mean())) ** 2 + 0.01 * (x - x[1]) ** 2), 0.9)
    seeds = np.stack([error * 0.9, error * 1.1])
    return Findings(contender, LRS, LAMS, seeds, seeds + 0.01, np.zeros(seeds.shape, dtype=bool))


def reference():
    val = np.full((2, 5, 1), 0.2)
    return Findings(REFERENCE, LRS, (0.0,), val, val, np.zeros(val.shape, dtype=bool))


def test_a_panel_says_who_where_and_how_far_coupled():
    info = heatmap_info(found())
    assert (info.title, info.coupling) == ("AdamP", "κ = +0.50")
    assert info.good[0] == np.unravel_index(info.errors.argmin(), info.errors.shape)
    assert len(set(info.good)) == 10
    worst_good = max(info.errors[cell] for cell in info.good)
    assert (info.errors < worst_good).sum() < 10


def test_the_ridge_runs_through_the_best_weight_decay_of_each_learning_rate():
    ridge = heatmap_info(found(kappa=0.5)).ridge
    assert [lr for lr, _ in ridge] == pytest.approx(LRS)
    slopes = np.diff(np.log([lam for _, lam in ridge])) / np.diff(np.log(LRS))
    assert slopes == pytest.approx(-0.5)


def test_a_diverged_replica_marks_its_cell():
    lame = found()
    lame.diverged[1, 4, 6] = True
    assert np.argwhere(heatmap_info(lame).diverged).tolist() == [[4, 6]]


def test_one_scale_for_all_panels_ends_where_a_cell_is_simply_bad():
    scale = colour_scale([found(0.5), found(-0.5)], reference())
    assert scale.low == pytest.approx(min(found(0.5).error.min(), found(-0.5).error.min()))
    assert scale.high == pytest.approx(3 * scale.low)
    assert scale.reference == pytest.approx(0.2)


def test_a_missing_kappa_is_said():
    assert describe(NotIdentified("too few")) == "κ not identified"
    assert describe(-1.0) == "κ = −1.00"


def test_every_panel_is_drawn_with_its_words_and_the_file_written(tmp_path):
    panels = [found(0.5), found(-0.5, CONTENDERS["adamw-torch"])]
    figure = draw([heatmap_info(f) for f in panels], colour_scale(panels, reference()), "subtitle")
    words = {text.get_text() for axis in figure.axes for text in (*axis.texts, axis.title, axis._left_title)}
    assert {"AdamP", "AdamW (PyTorch)", "κ = +0.50", "κ = −0.50"} <= words
    save(figure, tmp_path / "heatmap.png")
    assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_explained(tmp_path):
    figure = draw([heatmap_info(found())], colour_scale([found()], reference()), "")
    with pytest.raises(StudyError, match="cannot be written"):
        save(figure, tmp_path / "nowhere" / "heatmap.png")
