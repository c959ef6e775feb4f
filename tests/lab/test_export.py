"""Results as a table that other programs read, and anyone's runs as a study."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab import ExecutionConfig, Settings, StudyError, run_study
from halflife.lab.analysis.scaling import scalings
from halflife.lab.importer import import_runs
from halflife.lab.load import load_study

SETTINGS = Settings(optimizers=("adamw",), lrs=(1e-3, 1e-2), lams=(0.1, 1.0), seeds=2, epochs=1, batch_size=100)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    run_study(SETTINGS, folder, how=ExecutionConfig(workers=1))
    return folder


def test_csv_and_json_hold_every_network(study: Path, tmp_path: Path) -> None:
    for form in ("csv", "json"):
        done = CliRunner().invoke(app, ["export", str(study), "--to", form, "--out", str(tmp_path / f"runs.{form}")])
        assert done.exit_code == 0, done.output
        assert done.output.startswith("12 networks")
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * (1 + 2)
    assert {float(row["weight_decay"]) for row in rows if row["optimizer"] == "adamw"} == {0.1, 1.0}
    same = json.loads((tmp_path / "runs.json").read_text(encoding="utf-8"))
    assert [float(row["val_error"]) for row in rows] == [row["val_error"] for row in same]


def test_a_format_that_there_is_not(study: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(study), "--to", "xls"])
    assert done.exit_code == 2
    assert "csv, json, parquet" in done.stderr


def table(path: Path, kappa: float = -1.0, header: str = "learning_rate,wd,seed,val_loss") -> Path:
    """A valley of known κ: the floor lies at log λ = −κ·log lr."""
    lines, draw = [header], np.random.default_rng(0)
    for seed in range(4):
        for lr in np.geomspace(1e-4, 1e-2, 6):
            for lam in np.geomspace(1e-5, 1e-1, 9):
                u = np.log(lam) - np.log(1e-3) + kappa * np.log(lr / 1e-3)
                error = 2e-6 * np.exp(0.15 * u**2 + 0.05 * np.log(lr / 1e-3) ** 2) * np.exp(draw.normal(0, 0.01))
                lines.append(f"{lr},{lam},{seed},{error}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("kappa", [-1.0, 0.0, 0.5])
def test_anyones_runs_give_kappa(tmp_path: Path, kappa: float) -> None:
    (found,) = import_runs(table(tmp_path / "theirs.csv", kappa))[0].findings
    assert abs(found.kappa.value - kappa) < 0.1
    assert not found.missing


def test_the_command_prints_a_verdict_and_draws(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["import", str(table(tmp_path / "theirs.csv")), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Coupled: the best λ grows with lr" in done.output
    assert "e−6" in done.output
    assert "Use " in done.output
    assert (out / "heatmap.png").stat().st_size > 10_000
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "the runs of theirs.csv" in page
    assert "epochs" not in page.split("<script", 1)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr,seed,error\n1,0,1", "lacks a column lam"),
        ("lr,wd,error\n", "has no run"),
        ("lr,wd,error\n1e-3,x,1", "line 2, cannot be read"),
        ("lr,wd,error\n1e-3,0,1", "must be above 0"),
        ("lr,wd,error\n1e-3,-1,1", "must be above 0"),
        ("lr,wd,error\n0,1,1", "must be above 0"),
    ],
)
def test_a_table_that_is_none_is_explained(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=words):
        import_runs(path)


def test_rows_without_a_seed_are_counted_and_nan_has_diverged(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("lr,lambda,error\n1e-3,0.1,2\n1e-3,0.1,3\n1e-2,0.1,nan\n1e-2,0.1,5\n", encoding="utf-8")
    (found,) = import_runs(path)[0].findings
    assert found.val.shape == (2, 2, 1)
    assert found.diverged.sum() == 1
    assert found.val[0, 1, 0] == 5.0, "as bad as the worst that is known"


def test_what_was_exported_comes_back_with_its_runs_without_decay(study: Path, tmp_path: Path) -> None:
    CliRunner().invoke(app, ["export", str(study), "--out", str(tmp_path / "runs.csv")])
    (back,) = import_runs(tmp_path / "runs.csv", "misclassified")
    ours = load_study(study).results[0]
    assert (back.found("adamw").val == ours.found("adamw").val).all()
    assert (back.baseline.val == ours.baseline.val).all()
    assert back.found("adamw").test_error == ours.found("adamw").test_error


def test_a_third_axis_is_a_column(tmp_path: Path) -> None:
    lines, draw = ["batch size,lr,wd,seed,error"], np.random.default_rng(0)
    for batch in (32, 8, 64, 16):
        for seed in range(4):
            for lr in np.geomspace(1e-4, 1e-2, 4):
                for lam in np.geomspace(1e-3, 10, 9):
                    u = np.log(lam) - np.log(0.1 * batch / 24)
                    error = 0.1 * np.exp(0.15 * u**2 + 0.2 * np.log(lr / 1e-3) ** 2 + draw.normal(0, 0.01))
                    lines.append(f"{batch},{lr},{lam},{seed},{error}")
    path = tmp_path / "theirs.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    results = import_runs(path, axis="Batch Size")
    assert [result.point.value for result in results] == [8, 16, 32, 64]
    (scaling,) = scalings(results)
    assert scaling.exponents.lam_at_lr.value == pytest.approx(1.0, abs=0.1)
    done = CliRunner().invoke(app, ["import", str(path), "--axis", "batch size", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "along batch size: the best λ at the same lr: batch size^+1.0" in done.output.replace(
        "batch-size", "batch size"
    )
    assert (tmp_path / "out" / "axis.png").exists()
    lost = CliRunner().invoke(app, ["import", str(path), "--axis", "width", "--out", str(tmp_path / "out")])
    assert (lost.exit_code, "lacks a column width" in lost.stderr) == (2, True)


def test_results_are_a_frame_and_parquet(study: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = load_study(study).results[0].to_frame()
    assert len(frame) == 12
    assert {"optimizer", "lr", "weight_decay", "seed", "val_error"} <= set(frame.columns)
    done = CliRunner().invoke(app, ["export", str(study), "--to", "parquet", "--out", str(tmp_path / "runs.parquet")])
    assert done.exit_code == 0, done.output
    assert (pandas.read_parquet(tmp_path / "runs.parquet").val_error.to_numpy() == frame.val_error.to_numpy()).all()
