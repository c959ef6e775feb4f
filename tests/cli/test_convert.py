from __future__ import annotations

import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.conventions import CONVENTIONS


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *arguments])


def test_one_conversion():
    result = run("0.01", "--from", "torch", "--to", "paper", "--lr", "1e-3")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0].split() == ["weight_decay", "1e-05"]
    assert "Exact: torch removes lr·λ of a weight in a step, paper η·λ" in result.output


def test_an_approximate_one_has_its_bounds():
    schedule = "--lr", "1e-3", "--schedule", "cosine", "--steps", "1000"
    result = run("0.01", "--from", "huggingface-former", "--to", "keras", *schedule)
    assert result.exit_code == 0
    assert "Approximate: huggingface-former decays after the step, keras before the step" in result.output
    assert "a step by 7.5e-06 of it" in result.output


def test_without_a_target_all_of_the_same_rule():
    result = run("0.01", "--lr", "1e-3")
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    for name, convention in CONVENTIONS.items():
        assert (name in rows) == (convention.rule == "adam"), name
    assert rows["paper"] == ["1e-05", "0.001", "1e-08", "exact"]
    assert rows["loshchilov-hutter"][-2:] == ["give", "--steps"]
    assert rows["schedule-free"][-1] == "impossible"
    assert max(map(len, result.output.splitlines())) <= 120


def test_lion_and_sgd():
    assert "timm-lion" in run("0.1", "--from", "keras-lion").output
    assert run("0.1", "--from", "torch-sgd", "--to", "timm-sgdw", "--momentum", "0.9").exit_code == 1
    assert run("0.1", "--from", "torch-sgd", "--to", "timm-sgdw", "--momentum", "0").exit_code == 0


def test_an_impossible_one_says_why():
    result = run("0.01", "--to", "schedule-free")
    assert result.exit_code == 1
    assert "Impossible: schedule-free has no λ" in result.output


@pytest.mark.parametrize(
    ("arguments", "lr", "weight_decay"),
    [
        (["0.01", "--to", "keras-lion", "--lr", "1e-3"], "0.0001, from 0.0001 to 0.000333", "0.1, from 0.03 to 0.1"),
        (["0.1", "--from", "timm-lion", "--lr", "1e-4"], "0.001, from 0.0003 to 0.001", "0.01, from 0.01 to 0.0333"),
    ],
)
def test_a_rule_of_thumb_is_called_one(arguments, lr, weight_decay):
    result = run(*arguments, *([] if "--to" in arguments else ["--to", "torch"]))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    first = lines.index("rule of thumb:")
    assert "Impossible" in result.output
    assert lines[first + 1].split(maxsplit=1) == ["lr", lr]
    assert lines[first + 2].split(maxsplit=1) == ["weight_decay", weight_decay]
    assert "2302.06675" in result.output
    assert "xact" not in result.output


def test_the_table_of_all_says_where_there_is_only_a_rule_of_thumb():
    assert "For Lion there is only a rule of thumb: --to timm-lion" in run("0.01").output
    assert "For AdamW there is only a rule of thumb: --to torch" in run("0.01", "--from", "keras-lion").output
    for other in ("torch-sgd", "torch-adam"):
        assert "rule of thumb" not in run("0.01", "--from", other).output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["0.01", "--to", "kreas"], "did you mean keras?"),
        (["0.01", "--lr", "0"], "give the base learning rate"),
        (["3", "--from", "paper", "--to", "torch"], "it must remove less than 1"),
        (["0.01", "--schedule", "cosine"], "never ends"),
        (["0.01", "--betas", "0.9"], "two numbers and a comma"),
        (["much"], "WEIGHT_DECAY"),
    ],
)
def test_bad_input_ends_in_a_sentence(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_from_muon_to_muon():
    result = run("0.1", "--from", "torch-muon", "--to", "dion-muon", "--lr", "0.02", "--shape", "768,3072")
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.output.splitlines()[:5])
    assert (rows["weight_decay"], rows["lr"], rows["nesterov"]) == ("0.05", "0.04", "True")
    without = run("0.1", "--from", "torch-muon", "--to", "dion-muon")
    assert without.exit_code == 1
    assert "--shape 768,3072" in " ".join(without.output.split())
    assert "such as 768,3072" in run("0.1", "--from", "torch-muon", "--to", "dion-muon", "--shape", "8").output
