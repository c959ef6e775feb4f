import io
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from halflife import registry
from halflife.cli import study_progress
from halflife.cli.app import app
from halflife.engines.library import Missing, load
from halflife.lab import Progress

TINY = ["--seeds", "2", "--epochs", "2", "--batch-size", "100", "--lrs", "1e-2,1e-3", "--lambdas", "0.1,1"]
HEADLESS = """
import torch
from torch import nn
from halflife.lab import Problem, Split


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, x):
        return self.b(self.a(x).relu())


def problem():
    x = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
    split = Split(x, x[:, :3].argmax(1))
    return Problem("toy", "a toy", split, split, split, Net)
"""
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_tiny_study_ends_with_files_a_table_and_a_sentence_for_each_optimizer(tmp_path):
    result = run("study", "--out", str(tmp_path / "new"), *TINY)
    assert result.exit_code == 0, result.output
    files = ["difference.png", "heatmap.png", "paired.png", "study.db", "study.lock"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == files
    for label in ("AdamL2", "AdamW (PyTorch)", "AdamW (paper)", "ProxAdam", "AdamP"):
        assert re.search(rf"│ {re.escape(label)} .*%.*not identified", result.output)
        assert re.search(rf"{re.escape(label)}: .* κ not identified: the best λ lies inside the grid", result.output)
    assert re.search(r"│ Adam, no decay .*%", result.output)
    assert str(tmp_path / "new" / "heatmap.png") in result.output
    assert not CONTROL.search(result.output), "control codes where there is no terminal"
    assert "0/44 runs · digits: Adam, no decay" in result.output


def test_a_terminal_without_greek_letters_gets_a_table_all_the_same(tmp_path):
    command = [sys.executable, "-c", "from halflife.cli import main; main()", "study", "--out", str(tmp_path / "new")]
    command += ["--optimizer", "adam-p", "--workers", "1", *TINY]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"AdamP .*%.*not identified", done.stdout.decode("latin-1"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "0"], "--seeds"),
        (["--epochs", "many"], "--epochs"),
        (["--lrs", "1e-3,fast"], "--lrs takes numbers separated by commas"),
        (["--lambdas", ""], "--lambdas takes numbers separated by commas"),
        (["--lambdas", "0,1"], "a λ must be a number above 0"),
        (["--optimizer", "sgdx"], "optimizer 'sgdx' is not known; give a name (adamw-paper"),
        (["--batch-size", "100000"], "does not fit"),
        (["--bogus"], "No such option"),
    ],
)
def test_a_wrong_option_ends_in_a_sentence(arguments, sentence, tmp_path):
    result = run("study", "--out", str(tmp_path), *arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_muon_is_studied_beside_adamw_on_a_perceptron(tmp_path):
    out = str(tmp_path / "new")
    result = run("study", "digits", "--optimizer", "muon", "--optimizer", "adamw", "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    for label in ("Muon + AdamW", "AdamW"):
        assert re.search(rf"│ {re.escape(label)} .*%.*not identified", result.output)
        assert f"{label}: Best lr" in result.output
    assert run("report", out).exit_code == 0
    assert "Muon + AdamW" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_a_model_of_ones_own_is_asked_for_its_head(tmp_path):
    file = tmp_path / "my.py"
    file.write_text(HEADLESS, encoding="utf-8")
    arguments = ["study", f"{file}:problem", "--optimizer", "muon", "--out", str(tmp_path / "out"), *TINY[:4]]
    arguments += ["--batch-size", "8", "--lrs", "1e-2", "--lambdas", "1"]
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "head='b.*' perhaps" in refused.stderr
    assert "--head PATTERN" in refused.stderr
    assert run(*arguments, "--head", "b.*").exit_code == 0


def test_a_folder_that_cannot_be_written_ends_in_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = run("study", "--out", str(tmp_path / "taken"), *TINY)
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: the ledger .* cannot be used \(.*\); .*\.\n", result.stderr)


def test_an_interrupt_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("halflife.cli.study.run_study", interrupted)
    result = run("study", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr


def test_help_shows_every_default():
    text = " ".join(run("study", "--help").output.split())
    for default in (
        "halflife-study",
        "of digits: 4",
        "of digits: 100",
        "of digits: 50",
        "0.0005,0.0011",
        "adam-l2, adamw",
        "half of the machine",
    ):
        assert default in text


def test_a_terminal_gets_a_bar_and_other_outputs_get_lines():
    report = Progress(done=5, total=10, trained=5, doing="AdamP", best=None)
    terminal, pipe = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True
    for console in (Console(file=terminal, force_terminal=True, width=120), Console(file=pipe, width=120)):
        with study_progress.reporter(console) as show:
            show(report)
            show(report)
    assert "\x1b[" in terminal.getvalue()
    assert "5/10 runs" in terminal.getvalue()
    assert pipe.getvalue() == "5/10 runs · AdamP\n"


def test_the_pace_counts_only_what_was_trained_now():
    report = Progress(done=60, total=100, trained=20, doing="AdamP", best=None)
    assert study_progress.pace(report, 10.0) == "2.0 runs/s, 0:20 left"
    assert study_progress.pace(report._replace(trained=0), 10.0) == ""


def test_a_module_of_ours_that_is_missing_is_a_fault():
    program = "import sys; sys.modules['halflife.lab'] = None; from halflife.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


@pytest.mark.usefixtures("asked_once")
def test_the_doctor_says_what_there_is_and_why():
    result = run("doctor")
    assert result.exit_code == 0
    for line in ("torch ", "halflife ", "devices ", "threads ", "native ", "rules ", "compiled "):
        assert line in result.output
    engine = "(foreach|eager)" if isinstance(load(), Missing) else "native"
    assert re.search(rf"small model +{engine}: ", result.output)
    assert re.search(r"large model +(native|eager): ", result.output)
    for entry in registry.entries():
        assert re.search(rf"rules .*\b{entry.name}\b", result.output)
        if entry.rule.functor and not isinstance(load(), Missing):
            assert re.search(rf"compiled .*\b{entry.rule.functor}\b", result.output)


def test_pictures_are_written_as_asked(tmp_path):
    result = run("study", "--out", str(tmp_path / "new"), "--pictures", "svg,pdf", "--optimizer", "adamw-paper", *TINY)
    assert result.exit_code == 0, result.output
    assert {p.name for p in (tmp_path / "new").iterdir()} >= {"heatmap.svg", "heatmap.pdf"}
    assert (tmp_path / "new" / "heatmap.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (tmp_path / "new" / "heatmap.pdf").read_bytes().startswith(b"%PDF")
    wrong = run("study", "--out", str(tmp_path / "other"), "--pictures", "gif", *TINY)
    assert wrong.exit_code == 2
    assert "pictures are written as png, svg, pdf, not as 'gif'" in wrong.output


def test_an_axis_ends_with_what_moves_along_it(tmp_path):
    result = run(
        "study", "--out", str(tmp_path), "--axis", "batch-size=100,200,300", "--optimizer", "adamw-paper", *TINY
    )
    assert result.exit_code == 0, result.output
    assert "best at batch-size 100: lr" in result.output
    assert "Wang & Aitchison 2025" in result.output
    assert {"axis.png", "heatmap-batch-size-adamw-paper.png"} <= {p.name for p in tmp_path.iterdir()}
    wrong = run("study", "digits", "--axis", "batch-size=1", "--out", str(tmp_path))
    assert (wrong.exit_code, "two values or more" in wrong.output) == (2, True)
    preset = run("study", "timescale", "--axis", "epochs=1,2", "--out", str(tmp_path))
    assert (preset.exit_code, "a published setting" in preset.output) == (2, True)
