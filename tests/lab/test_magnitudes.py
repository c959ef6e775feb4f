"""Base-2 histograms of a training, against NumPy and a loop of torch's own."""

import numpy as np
import pytest
import torch

from halflife.lab import OPTIMIZER_SPECS, StudyError
from halflife.lab.figures import draw_magnitudes, magnitudes_spec, save
from halflife.lab.figures.spec.magnitudes import octave_ticks, octave_words, octaves, power_of_two
from halflife.lab.problems import Problem, Split
from halflife.lab.training import Recipe, Training
from halflife.lab.training.batches import Batches
from halflife.lab.training.magnitudes import FIRST, KINDS, octave_counts, record_magnitudes

LR, LAM = 1e-2, 1e-1


def training(epochs=3):
    draw = torch.Generator().manual_seed(0)
    split = Split(torch.randn(20, 5, generator=draw), torch.randint(0, 3, (20,), generator=draw))
    problem = Problem("tiny", "tiny", split, split, split, lambda: torch.nn.Linear(5, 3))
    return Training(problem, problem.model, Recipe(epochs, 5, "constant"))


def plainly(task, epochs, decay_first):
    """torch's optimizers in a plain loop; what is measured at the last step."""
    torch.manual_seed(0)
    model, batches = task.model(), Batches(task, (0,))
    kind = torch.optim.Adam if decay_first else torch.optim.AdamW
    optimizer = kind(model.parameters(), LR, weight_decay=LAM)
    for _ in range(epochs):
        for x, y in batches.epoch():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[0]), y[0]).backward()
            before = [p.detach().clone() for p in model.parameters()]
            optimizer.step()
    params = list(model.parameters())
    updates = [p - old for p, old in zip(params, before, strict=True)]
    return dict(zip(KINDS, ([p.grad for p in params], updates, params), strict=True))


@pytest.mark.parametrize("name", ["adam-l2", "adamw-torch"])
def test_what_is_counted_is_what_torch_computes(name):
    recorded = record_magnitudes(training(), OPTIMIZER_SPECS[name], LR, LAM, epochs=(1, 3))
    with torch.random.fork_rng():
        expected = plainly(training(), 3, decay_first=name == "adam-l2")
    for kind, tensors in expected.items():
        values = torch.cat([x.detach().flatten() for x in tensors]).abs().double().numpy()
        bins = np.floor(np.log2(values[values > 0])).astype(int)
        counted = {FIRST + int(b): int(recorded.counts[kind][1, b]) for b in np.flatnonzero(recorded.counts[kind][1])}
        assert counted == {int(b): int((bins == b).sum()) for b in np.unique(bins)}, kind
    assert recorded.epochs == (1, 3)
    assert recorded.label == OPTIMIZER_SPECS[name].label


def test_bins_are_exact_at_powers_of_two_and_leave_out_what_is_not_finite():
    x = torch.tensor([1.0, -1.0, 0.999999, 2.0, -0.0, 0.0, float("inf"), float("nan"), 2.0**-149, 3e38])
    counts, zeros = octave_counts([x])
    assert {FIRST + int(b): int(counts[b]) for b in np.flatnonzero(counts)} == {-149: 1, -1: 1, 0: 2, 1: 1, 127: 1}
    assert zeros == 2


def test_recording_leaves_the_generator_alone_and_is_repeatable():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, second = (record_magnitudes(training(), OPTIMIZER_SPECS["adam-p"], LR, LAM, epochs=(2,)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all((first.counts[kind] == second.counts[kind]).all() for kind in KINDS)


@pytest.mark.parametrize("epochs", [(), (0,), (1, 4)])
def test_epochs_that_the_recipe_has_not_are_refused(epochs):
    with pytest.raises(StudyError, match="epochs 1 … 3"):
        record_magnitudes(training(), OPTIMIZER_SPECS["adam-p"], LR, LAM, epochs=epochs)


def test_the_figure_has_a_panel_for_each_kind_and_epoch_with_shares_that_add_to_one(tmp_path):
    recorded = [
        record_magnitudes(training(), OPTIMIZER_SPECS[name], LR, LAM, epochs=(1, 3)) for name in ("adam-l2", "adam-p")
    ]
    info = magnitudes_spec(recorded)
    assert info.titles == ("AdamL2", "AdamP")
    assert [(one.kind, one.epoch) for one in info.panels] == [(kind, epoch) for kind in KINDS for epoch in (1, 3)]
    for one in info.panels:
        assert [share.sum() for share in one.shares] == pytest.approx([1, 1])
        assert {len(share) for share in one.shares} == {len(info.bins[one.kind])}
    save(draw_magnitudes(info, "tiny"), tmp_path / "magnitudes.png")
    with pytest.raises(ValueError, match="different epochs"):
        magnitudes_spec([recorded[0], record_magnitudes(training(), OPTIMIZER_SPECS["adam-p"], LR, LAM)])


def test_octaves_hold_the_middle_of_the_numbers():
    assert octaves(np.full(10, 0.1)) == pytest.approx(9)
    assert octaves(np.array([0, 1.0, 0])) == pytest.approx(0.9)
    assert octaves(np.zeros(3)) == 0


def test_words_and_ticks_of_a_panel():
    info = magnitudes_spec([record_magnitudes(training(), OPTIMIZER_SPECS["adam-p"], LR, LAM)])
    assert octave_words(info.panels[0]).startswith("middle 90 %: ")
    assert power_of_two(-12) == "2⁻¹²"
    assert octave_ticks(tuple(range(-20, 1)), 5) == [-15, -10, -5, 0]
