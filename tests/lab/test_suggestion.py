"""λ by the laws: the equations worked by hand, and what makes the range longer."""

from __future__ import annotations

import re
import shlex
from math import sqrt
from pathlib import Path

import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab import StudyError, TrainingSetup, Tuned, suggest
from halflife.lab.laws import SCARCE, TIMESCALE, Law


def test_the_averaging_time_lies_between_one_epoch_and_all() -> None:
    found = suggest(TrainingSetup(lr=1e-3, batch=100, data=50_000, epochs=100))
    steps = 500
    assert found.high == pytest.approx(1 / (1e-3 * steps))
    assert found.low == pytest.approx(1 / (1e-3 * steps * 100))
    assert found.lam == pytest.approx(sqrt(found.low * found.high))
    assert found.beta2 is None


def test_the_laws_proportions() -> None:
    base = suggest(TrainingSetup(1e-3, 100, 50_000, 100)).lam
    assert suggest(TrainingSetup(2e-3, 100, 50_000, 100)).lam == pytest.approx(base / 2)
    assert suggest(TrainingSetup(1e-3, 200, 50_000, 100)).lam == pytest.approx(base * 2)
    assert suggest(TrainingSetup(1e-3, 100, 100_000, 100)).lam == pytest.approx(base / 2)


def test_tokens_per_parameter() -> None:
    found = suggest(TrainingSetup(6e-4, 5e5, 2e9, params=1e8, tokens=True))
    share = 1.084 * 20**-0.527
    assert found.lam == pytest.approx(5e5 / (6e-4 * 2e9 * share))
    assert found.low == pytest.approx(found.lam / 2)


def test_the_share_is_of_the_whole_training() -> None:
    once, twice = (suggest(TrainingSetup(6e-4, 5e5, 2e9, epochs, 1e8, tokens=True)) for epochs in (1, 2))
    assert twice.lam == pytest.approx(once.lam / 2)


def test_scarce_tokens_seen_again_lengthen_the_range_upward() -> None:
    once, often = (suggest(TrainingSetup(6e-4, 5e5, 2e8, epochs, 1e8, tokens=True)) for epochs in (1, 8))
    assert SCARCE not in once.laws
    assert SCARCE in often.laws
    assert often.high == pytest.approx(30 * often.lam)


def test_what_was_tuned_is_moved_by_lr_batch_and_data() -> None:
    found = suggest(TrainingSetup(2e-3, 512, 100_000), Tuned(TrainingSetup(1e-3, 128, 50_000), 0.1, 0.999))
    assert found.lam == pytest.approx(0.1 / 2 * 4 / 2)
    assert found.beta2 == pytest.approx(0.999**4)
    same = suggest(TrainingSetup(1e-3, 128, 50_000), Tuned(TrainingSetup(1e-3, 128, 50_000), 0.1))
    assert (same.lam, same.beta2) == (0.1, 0.999)


def test_a_larger_model_on_the_same_tokens_takes_more_tokens_per_parameter_into_account() -> None:
    before = TrainingSetup(1e-3, 1e5, 2e9, params=1e8, tokens=True)
    found = suggest(TrainingSetup(1e-3, 1e5, 2e9, params=4e8, tokens=True), Tuned(before, 0.1))
    assert found.lam == pytest.approx(0.1 * 4**-0.527)


def test_the_study_that_would_check_it_is_a_command_that_is_understood() -> None:
    found = suggest(TrainingSetup(1e-3, 128, 50_000, 90))
    assert found.lams[0] < found.low < found.high < found.lams[-1]
    assert len(found.lrs) == 4
    words = shlex.split(found.command)
    words[2] = "digits"
    answer = CliRunner().invoke(app, [*words[1:], "--plan"])
    assert answer.exit_code == 0, answer.output
    assert "networks" in answer.output
    assert "will not be identified" not in answer.output


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lr": 0.0}, "--lr must be a number above 0, but 0 was given"),
        ({"batch": float("nan")}, "--batch must be a number above 0"),
        ({"data": -1.0}, "--samples must be a number above 0"),
        ({"batch": 100.0, "data": 10.0}, "a batch of 100 does not fit"),
        ({"params": 0.0}, "--params must be a number above 0"),
    ],
)
def test_what_is_no_training(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        TrainingSetup(**{"lr": 1e-3, "batch": 10, "data": 100, **given})


def test_the_command_prints_range_law_conventions_and_check() -> None:
    call = ["suggest", "--lr", "1e-3", "--batch", "128", "--samples", "50000", "--epochs", "90", "--schedule", "cosine"]
    answer = CliRunner().invoke(app, call)
    assert answer.exit_code == 0, answer.output
    for words in (
        "λ 0.27 in PyTorch's form",
        "0.028 … 2.6",
        "arxiv.org/abs/2405.13698",
        "keras",
        "halflife study my.py",
    ):
        assert words in answer.output


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "one of --samples and --tokens is needed"),
        (["--samples", "10", "--tokens", "10"], "one of --samples and --tokens is needed"),
        (["--samples", "1000", "--tuned-lr", "1e-3"], "go with --tuned-lambda"),
        (["--samples", "1000", "--tuned-lambda", "-1"], "λ above 0"),
        (["--samples", "1000", "--schedule", "square"], "square"),
    ],
)
def test_the_commands_errors_are_sentences(more: list[str], sentence: str) -> None:
    answer = CliRunner().invoke(app, ["suggest", "--lr", "1e-3", "--batch", "128", *more])
    assert answer.exit_code == 2
    assert sentence in answer.output


PAGES = Path(__file__).parents[2] / "docs" / "reproductions"


@pytest.mark.parametrize(("law", "pages"), [(TIMESCALE, ("timescale", "batch-size")), (SCARCE, ("scarce-data",))])
def test_what_we_say_of_a_law_is_what_we_published(law: Law, pages: tuple[str, ...]) -> None:
    text = "".join((PAGES / page / "reproduction.md").read_text(encoding="utf-8") for page in pages)
    said = re.findall(r"[a-z-]+\^[+−][0-9.]+[0-9]", law.here)
    assert said
    assert all(f"{words} (" in text for words in said)
