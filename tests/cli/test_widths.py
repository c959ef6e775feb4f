"""At any width of the terminal what is printed wraps at words, and no name is cut."""

import io
import os
import subprocess
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from halflife.benchmark import Benchmark, Measurement
from halflife.cli import bench_progress, bench_table, study_progress
from halflife.cli.app import app
from halflife.cli.terminal import show_table
from halflife.cli.wrapping import folded, stacked
from halflife.lab import Progress

WIDTHS = [60, 80, 120]
TINY = ["--seeds", "2", "--epochs", "1", "--batch-size", "100", "--lrs", "1e-2,1e-3", "--lambdas", "0.1,1"]
LABELS = ("AdamW (PyTorch)", "AdamW (paper)")
SIGNS = set("│┃┏┓┗┛┡┩├┤┼━─┬┴┌┐└┘╇┳ ·")


def run(width, *arguments):
    """What the command prints; of no terminal without a width."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": width and str(width)})
    assert result.exit_code == 0, result.output
    return result.output


def words(text):
    """All that stands between blanks and a table's lines."""
    return set("".join(" " if letter in SIGNS else letter for letter in text).split())


def holds(narrow, wide, width):
    """Lines fit, unless one word alone is longer, and each word is one of the wide output's."""
    assert words(narrow) <= words(wide)
    for line in narrow.splitlines():
        assert cell_len(line) <= width or len(line.split()) <= 2, line


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study's folder, and the command that shows it."""
    folder = tmp_path_factory.mktemp("widths") / "study"
    command = ["study", "--out", str(folder), "--optimizer", "adamw-torch", "--optimizer", "adamw-paper", *TINY]
    return folder, command, run(None, *command) and run(None, *command)


@pytest.mark.parametrize("width", [28, *WIDTHS])
def test_a_study_wraps_at_words(study, width):
    _, command, wide = study
    narrow = run(width, *command)
    holds(narrow, wide, width)
    for label in LABELS:
        assert any(line.lstrip("│ ").startswith(label) for line in narrow.splitlines()), label
    assert ("┏" in narrow) == (width > 60)


@pytest.mark.parametrize("width", WIDTHS)
def test_report_and_export_wrap_at_words(study, width):
    folder = study[0]
    for command in (["report", str(folder)], ["export", str(folder)]):
        holds(run(width, *command), run(None, *command), width)


def test_without_a_terminal_a_sentence_is_one_line(study):
    assert any(cell_len(line) > 200 for line in study[2].splitlines())


@pytest.mark.parametrize("width", [28, *WIDTHS])
@pytest.mark.parametrize(
    "arguments",
    [["0.01", "--lr", "1e-3"], ["0.01", "--from", "hf", "--to", "keras", "--schedule", "cosine", "--steps", "9"]],
    ids=["all", "one"],
)
def test_a_conversion_wraps_at_words(arguments, width):
    wide = run(None, "convert", *arguments)
    holds(run(width, "convert", *arguments), wide, width)


@pytest.mark.usefixtures("asked_once")
@pytest.mark.parametrize("width", WIDTHS)
def test_the_doctor_wraps_at_words(width):
    narrow = run(width, "doctor")
    assert all(cell_len(line) <= width or len(line.split()) <= 2 for line in narrow.splitlines())


@pytest.mark.parametrize("name", ["AdamW", "L1", "cautious"])
def test_a_page_does_not_fail_on_a_very_narrow_terminal(name):
    assert words(run(20, "explain", name))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_benchmark_keeps_every_name(width):
    contenders = ("halflife (native)", "halflife, 8-bit states", "pytorch-optimizer, single-tensor")
    measured = [
        Measurement("five", "kept", "lion", name, "ours", "", 320, 5, 1, (1e-3, 2e-3), 20.0, None)
        for name in contenders
    ]
    (table,) = bench_table.tables(Benchmark({}, {}, 1.0, measured))

    def printed(columns):
        console = Console(width=columns, file=io.StringIO(), color_system=None)
        show_table(console, table)
        return console.file.getvalue()

    holds(printed(width), printed(300), width)
    assert "" not in printed(width).splitlines()
    for name in contenders:
        assert name in " ".join(printed(width).split())


class Terminal(io.StringIO):
    """A file that says it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize("width", [12, 28, *WIDTHS])
def test_the_bar_fits_and_cuts_nothing(width):
    stream, doing = Terminal(), "batchnorm (1/3): AdamW (PyTorch)"
    with study_progress.reporter(Console(file=stream, force_terminal=True, width=width)) as show:
        show(Progress(done=5, total=1234, trained=5, doing=doing, best=None))
    shown = stream.getvalue()
    assert "…" not in shown
    assert all(word in shown for word in doing.split() if len(word) <= width)
    assert ("5/1234 runs" in shown) == (width > 12)


def test_asking_for_colours_in_a_pipe_makes_no_bar_of_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    for module, progress in (
        (study_progress, Progress(5, 10, 5, "AdamP", None)),
        (bench_progress, bench_progress.BenchmarkProgress(1, 4, "Lion")),
    ):
        pipe = io.StringIO()
        console = Console(file=pipe, width=120)
        assert console.is_terminal, "rich takes it for one"
        with module.reporter(console) as show:
            show(progress)
        assert "\x1b" not in pipe.getvalue()
        assert pipe.getvalue().count("\n") == 1


def test_a_study_in_a_pipe_with_colours_moves_no_cursor(study):
    command = [sys.executable, "-m", "halflife", *study[1]]
    done = subprocess.run(command, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True, check=True)
    codes = [part.partition(b"m")[0] for part in done.stdout.split(b"\x1b[")[1:]]
    assert codes, "colours were asked for"
    assert all(code.replace(b";", b"").isdigit() for code in codes), "codes that are no colours"


def test_a_row_is_stacked_between_its_cells_first():
    lines = stacked(("", "best lr", "κ (90 %)"), ("AdamW (paper)", "0.01", "−1.12 (−2 … 0)"), 24)
    assert lines == ["AdamW (paper)", "  best lr 0.01 ·", "  κ (90 %) −1.12 (−2 …", "  0)"]


def test_a_word_that_is_longer_than_a_line_stays_whole():
    assert folded("a decoupled-decay b", 6) == ["a", "decoupled-decay", "b"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["study", "report", "bench", "convert", "suggest", "export"])
def test_help_breaks_no_name_at_its_hyphen(command, width):
    narrow = run(width, command, "--help")
    assert not [line for line in narrow.splitlines() if line.rstrip().endswith("-") and line.strip() != "-"]
    if command == "study":
        assert {"resnet110-no-bn,", "shake-shake-26-2x32d,"} <= words(narrow)
