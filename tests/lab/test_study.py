from dataclasses import replace

import numpy as np
import pytest

from halflife.lab import OPTIMIZER_SPECS, ExecutionConfig, Settings, StudyError, run_study
from halflife.lab import study as study_module
from halflife.lab.analysis import findings
from halflife.lab.problems import digits

TINY = Settings(
    optimizers=("adamw-torch", "adam-p"), lrs=(1e-2, 1e-3), lams=(0.01, 1.0, 0.1), seeds=2, epochs=2, batch_size=100
)
HERE = ExecutionConfig(workers=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder, heard = tmp_path_factory.mktemp("study"), []
    return folder, run_study(TINY, folder, heard.append, HERE).results[0], heard


def test_each_cell_of_the_results_is_that_cell_of_the_ledger(tiny):
    import sqlite3

    folder, result, _ = tiny
    ledger = sqlite3.connect(folder / "study.db")
    for found in result.findings:
        assert (found.lrs, found.lams) == ((1e-3, 1e-2), (0.01, 0.1, 1.0))
        for (s, i, j), error in np.ndenumerate(found.val):
            query = "SELECT val_error FROM runs WHERE optimizer=? AND seed=? AND lr=? AND lam=?"
            rows = ledger.execute(query, (found.spec.name, s, found.lrs[i], found.lams[j])).fetchall()
            assert rows == [(error,)]
    ledger.close()


def test_progress_rises_to_the_whole(tiny):
    _, result, heard = tiny
    done = [report.done for report in heard]
    assert done == sorted(done)
    assert done[-1] == heard[-1].total == 2 * 2 * (1 + 3 + 3)
    best = heard[-1].best.val_error.mean
    assert best == min(found.val_error.mean for found in (*result.findings, result.baseline))


def test_what_is_in_the_ledger_is_not_trained_again(tiny, monkeypatch):
    folder, before, _ = tiny
    trained = _trained(monkeypatch)
    after = run_study(TINY, folder, how=HERE).results[0]
    assert trained == [0]
    for mine, theirs in zip(before.findings, after.findings, strict=True):
        np.testing.assert_array_equal(mine.val, theirs.val)


@pytest.mark.parametrize(
    "change", [{"epochs": 1}, {"schedule": "constant"}, {"loss_scale": 10.0}, {"eps": 1e-3}, {"batch_size": 50}]
)
def test_another_setting_is_another_job(tiny, monkeypatch, change):
    folder, _, _ = tiny
    trained = _trained(monkeypatch)
    run_study(replace(TINY, **change), folder, how=HERE)
    assert trained == [2 * 2 * (1 + 3 + 3)]


def test_a_larger_grid_trains_only_what_is_new(tiny, monkeypatch):
    folder, _, _ = tiny
    trained = _trained(monkeypatch)
    run_study(replace(TINY, optimizers=("adam-p", "prox-adam")), folder, how=HERE)
    assert trained == [2 * 2 * 3]


def _trained(monkeypatch):
    """How many networks each study trains."""
    counts, trained = [], study_module.trained

    def count(training, batches_of, *rest):
        counts.append(sum(map(len, batches_of)))
        return trained(training, batches_of, *rest)

    monkeypatch.setattr(study_module, "trained", count)
    return counts


def test_the_best_cell_is_chosen_on_validation_and_a_diverged_run_counts_as_a_guess(tiny):
    from halflife.lab.store.ledger import RunRecord

    def run(val, test, diverged=False):
        nan = float("nan")
        return RunRecord("", "digits", "mlp", "adam-p", 0, 0, 0, 1, "", nan, nan, nan, val, nan, test, nan, diverged, 0)

    runs = [run(0.5, 0.9), run(0.8, 0.7), run(0.6, 0.9), run(0.99, 0.99, diverged=True)]
    found = findings(OPTIMIZER_SPECS["adam-p"], (0.1,), (1.0, 2.0), runs, chance=0.9)
    assert (found.best_lr, found.best_lam) == (0.1, 1.0)
    assert found.val[1, 0, 1] == found.test[1, 0, 1] == pytest.approx(0.9)
    assert found.val_error == pytest.approx((0.55, 0.1 / 2**0.5))
    assert found.test_error.mean == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"problem": "chess"}, "problem 'chess' is not known; choose among digits"),
        ({"model": "oak"}, "model 'oak' is not known; choose among mlp"),
        ({"schedule": "never"}, "schedule 'never' is not known; choose among cosine"),
        ({"optimizers": ("adamx",)}, "optimizer 'adamx' is not known; give a name .adamw-paper"),
        ({"optimizers": ()}, "at least one"),
        ({"lrs": (0.1, 0.1)}, "twice"),
        ({"lrs": (0.0,)}, "above 0"),
        ({"lams": (float("inf"),)}, "above 0"),
        ({"lams": ()}, "at least one"),
        ({"seeds": 0}, "seeds must be at least 1"),
    ],
)
def test_settings_that_make_no_study_are_refused(wrong, sentence):
    with pytest.raises(StudyError, match=sentence):
        Settings(**wrong)


def test_digits_are_split_without_overlap_and_only_training_labels_are_redrawn():
    from sklearn.datasets import load_digits

    problem, (pixels, labels) = digits(), load_digits(return_X_y=True)
    images = (pixels / 16).astype("float32").tolist()
    truth = {tuple(image): int(label) for image, label in zip(images, labels, strict=True)}
    splits = [[tuple(image) for image in split.inputs.tolist()] for split in (problem.train, problem.val, problem.test)]
    assert [len(set(split)) for split in splits] == [600, 600, 597]
    assert len(set().union(*splits)) == 1797
    wrong = [
        np.mean([truth[image] != label for image, label in zip(images, split.targets.tolist(), strict=True)])
        for images, split in zip(splits, (problem.train, problem.val, problem.test), strict=True)
    ]
    assert wrong[0] == pytest.approx(0.3 * 0.9, abs=0.03)
    assert wrong[1:] == [0, 0]
    assert digits().fingerprint == problem.fingerprint


def test_the_studys_epsilon_is_for_those_that_have_one():
    prox, sgd = Settings(optimizers=("prox-adam", "sgd-l2"), eps=1e-3).optimizer_specs()
    assert (prox.update.rule.eps, prox.settings) == (1e-3, (("eps", 1e-3),))
    assert sgd == OPTIMIZER_SPECS["sgd-l2"]
