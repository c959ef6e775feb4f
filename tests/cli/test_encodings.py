"""Where a terminal's encoding lacks Greek letters, arrows and lines, they are spelled, and nothing fails."""

import io
import sys

import pytest
from rich.console import Console

from halflife.cli import study_progress
from halflife.cli.letters import HANDLER, readable
from halflife.lab import Progress

from .processes import commands

ENCODINGS = ["ascii", "cp1252", "latin-1"]
TINY = [
    "--workers",
    "1",
    "--seeds",
    "2",
    "--epochs",
    "1",
    "--batch-size",
    "100",
    "--lrs",
    "1e-2,1e-3",
    "--lambdas",
    "0.1,1",
]


class Terminal(io.TextIOWrapper):
    """A stream that says it is one."""

    def isatty(self):
        return True


PAGES = [["explain"], ["explain", "AdamW"], ["explain", "metric"]]
ASKED = [["--help"], ["study", "--help"], *PAGES, ["convert", "0.01", "--from", "torch"]]


@pytest.fixture(scope="module", params=ENCODINGS)
def printed(request, known, tmp_path_factory):
    """What each command prints to a terminal with that encoding, by its words."""
    study = ["study", "--out", str(tmp_path_factory.mktemp("study") / "new"), "--optimizer", "adam-p", *TINY]
    found = commands([*ASKED, ["doctor"], study], known=known, encoding=request.param)
    for words, done in found.items():
        assert done.returncode == 0, (words, done.stderr)
        assert "?" not in done.stderr, words
        assert done.stdout
    return dict(zip([*map(" ".join, ASKED), "doctor", "study"], (done.stdout for done in found.values()), strict=True))


@pytest.mark.parametrize("command", [" ".join(words) for words in ASKED])
def test_greek_letters_are_spelled(printed, command):
    text = printed[command]
    assert "?" not in text
    assert "lambda" in text or command.startswith("convert")
    assert "λ" not in text


def test_the_doctor_spells_its_signs(printed):
    assert "?" not in printed["doctor"]


def test_a_study_spells_its_table(printed):
    text = printed["study"]
    assert "?" not in text
    for word in ("AdamP", "best lambda", "kappa", "omega"):
        assert word in text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_bar_is_drawn_in_signs_that_there_are(encoding):
    raw = io.BytesIO()
    stream = Terminal(raw, encoding=encoding, errors=HANDLER)
    with study_progress.reporter(Console(file=stream, force_terminal=True, width=100)) as show:
        show(Progress(done=5, total=10, trained=5, doing="κ of AdamP …", best=None))
    stream.flush()
    bar = raw.getvalue().decode(encoding)
    assert "?" not in bar.replace("\x1b[?", "")  # which hides and shows the cursor
    assert "kappa of AdamP" in bar
    assert "---" in bar


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("w ← (1 − lr·λ)·w − lr·m̂/(√v̂ + ε)", "w <- (1 - lr*lambda)*w - lr*m_hat/(sqrt v_hat + eps)"),
        ("λw, 2λ, αβ", "lambda w, 2 lambda, alpha beta"),
        ("10⁻², β₁ᵗ, wᵀw, ‖w‖² ≤ ½", "10^-2, beta1^t, w^Tw, ||w||^2 <= 1/2"),
        ("━━╸ ⠋ é", "--- * e"),
    ],
)
def test_letters_are_spelled_as_one_would_type_them(text, spelled):
    assert text.encode("ascii", HANDLER).decode() == spelled


def test_nothing_is_spelled_where_every_letter_is_there(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert readable("κ ← λ") == "κ ← λ"
