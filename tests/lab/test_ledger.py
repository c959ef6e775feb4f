import sqlite3
from dataclasses import replace

import pytest

from halflife.lab.errors import StudyError
from halflife.lab.store.ledger import Ledger, RunRecord, key_of

RUN = RunRecord(
    "k1", "digits", "mlp", "adam-p", 1e-3, 0.1, 0, 3, "0.1.0", 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 5.0, False, 0.01
)


def test_what_is_recorded_is_found_by_its_key_and_in_the_file(tmp_path):
    other = replace(RUN, key="k2", seed=1, diverged=True)
    with Ledger(tmp_path / "deep" / "study.db") as ledger:
        ledger.record([RUN, other])
        assert ledger.find(["k1", "k3"]) == {"k1": RUN}
    with Ledger(tmp_path / "deep" / "study.db") as ledger:
        assert ledger.find(["k2", "k1"]) == {"k1": RUN, "k2": other}


def test_a_result_is_written_once(tmp_path):
    with Ledger(tmp_path / "study.db") as ledger:
        ledger.record([RUN])
        ledger.record([replace(RUN, val_error=0.1)])
        assert ledger.find(["k1"])["k1"].val_error == 0.8


def test_a_batch_of_runs_is_written_whole_or_not_at_all(tmp_path):
    with Ledger(tmp_path / "study.db") as ledger:
        with pytest.raises(StudyError):
            ledger.record([RUN, replace(RUN, key="k2", lr=object())])
        assert ledger.find(["k1", "k2"]) == {}


def test_a_score_that_is_not_a_number_comes_back_as_one(tmp_path):
    with Ledger(tmp_path / "study.db") as ledger:
        ledger.record([replace(RUN, val_loss=float("nan"))])
        found = ledger.find(["k1"])["k1"]
    assert found.val_loss != found.val_loss


def test_the_settings_of_a_study_are_noted_once(tmp_path):
    with Ledger(tmp_path / "study.db") as ledger:
        ledger.open_study({"seeds": 4, "lrs": [0.1]}, "0.1.0")
        ledger.open_study({"lrs": [0.1], "seeds": 4}, "0.1.0")
        ledger.open_study({"lrs": [0.1], "seeds": 5}, "0.1.0")
    rows = sqlite3.connect(tmp_path / "study.db")
    assert rows.execute("SELECT count(*) FROM studies").fetchone() == (2,)
    assert rows.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    rows.close()


def test_a_key_depends_on_every_setting_and_not_on_their_order():
    job = {"lr": 1e-3, "lam": 0.1, "seed": 0}
    assert key_of(job) == key_of(dict(reversed(job.items())))
    assert len({key_of(job), *(key_of({**job, name: 7}) for name in job), key_of({**job, "epochs": 1})}) == 5


def test_a_folder_that_is_a_file_is_explained(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(StudyError, match=r"the ledger .*study\.db cannot be used \(.*\); choose another folder"):
        Ledger(tmp_path / "taken" / "study.db")


def test_a_file_that_is_no_ledger_is_explained_and_left_alone(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("my thesis " * 100, encoding="utf-8")
    with pytest.raises(StudyError, match="not a database"):
        Ledger(path)
    assert path.read_text(encoding="utf-8") == "my thesis " * 100
