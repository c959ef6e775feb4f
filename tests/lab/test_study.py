import numpy as np
import pytest

from halflife.lab import CONTENDERS, Settings, StudyError, run_study
from halflife.lab import study as study_module
from halflife.lab.findings import findings
from halflife.lab.problems import digits

TINY = Settings(
    optimizers=("adamw-torch", "adam-p"), lrs=(1e-2, 1e-3), lams=(0.01, 1.0, 0.1), seeds=2, epochs=2, batch_size=100
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder, heard = tmp_path_factory.mktemp("study"), []
    return folder, run_study(TINY, folder, heard.append), heard


def test_each_cell_of_the_results_is_that_cell_of_the_ledger(tiny):
    import sqlite3

    folder, (result, _), _ = tiny
    ledger = sqlite3.connect(folder / "study.db")
    for found in result.findings:
        assert (found.lrs, found.lams) == ((1e-3, 1e-2), (0.01, 0.1, 1.0))
        for (s, i, j), error in np.ndenumerate(found.val):
            query = "SELECT val_error FROM runs WHERE optimizer=? AND seed=? AND lr=? AND lam=?"
            rows = ledger.execute(query, (found.contender.name, s, found.lrs[i], found.lams[j])).fetchall()
            assert rows == [(error,)]
    ledger.close()


def test_progress_rises_to_the_whole(tiny):
    _, (result, _), heard = tiny
    done = [report.done for report in heard]
    assert done == sorted(done)
    assert done[-1] == heard[-1].total == 2 * 2 * (1 + 3 + 3)
    assert heard[-1].best in (*result.findings, result.reference)


def test_what_is_in_the_ledger_is_not_trained_again(tiny, monkeypatch):
    folder, (before, _), _ = tiny
    monkeypatch.setattr(study_module, "train", lambda *args: pytest.fail("trained again"))
    after, _ = run_study(TINY, folder)
    for mine, theirs in zip(before.findings, after.findings, strict=True):
        np.testing.assert_array_equal(mine.val, theirs.val)


def test_another_setting_is_another_job(tiny, monkeypatch):
    folder, _, _ = tiny
    trained = []
    train = study_module.train
    monkeypatch.setattr(study_module, "train", lambda *args: trained.append(args) or train(*args))
    run_study(Settings(**{**vars(TINY), "epochs": 1}), folder)
    assert len(trained) == 3


def test_the_best_cell_is_chosen_on_validation_and_a_diverged_run_counts_as_a_guess(tiny):
    from halflife.lab.ledger import Run

    def run(val, test, diverged=False):
        nan = float("nan")
        return Run("", "digits", "adam-p", 0, 0, 0, 1, "", nan, nan, nan, val, nan, test, nan, diverged, 0)

    runs = [run(0.5, 0.9), run(0.8, 0.7), run(0.6, 0.9), run(0.99, 0.99, diverged=True)]
    found = findings(CONTENDERS["adam-p"], (0.1,), (1.0, 2.0), runs, chance=0.9)
    assert (found.best_lr, found.best_lam) == (0.1, 1.0)
    assert found.val[1, 0, 1] == found.test[1, 0, 1] == pytest.approx(0.9)
    assert found.val_error == pytest.approx((0.55, 0.1 / 2**0.5))
    assert found.test_error.mean == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"problem": "chess"}, "problem 'chess' is not known; choose among digits"),
        ({"optimizers": ("adam",)}, "optimizer 'adam' is not known"),
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
        np.mean([truth[image] != label for image, label in zip(images, split.labels.tolist(), strict=True)])
        for images, split in zip(splits, (problem.train, problem.val, problem.test), strict=True)
    ]
    assert wrong[0] == pytest.approx(0.3 * 0.9, abs=0.03)
    assert wrong[1:] == [0, 0]
    assert digits().fingerprint == problem.fingerprint
