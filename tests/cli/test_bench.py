import io
import json
import re
from functools import partial

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from halflife.benchmark import BenchmarkProgress, BenchmarkSettings, Skipped
from halflife.benchmark.results import Benchmark, Measurement
from halflife.cli import bench_progress, bench_table
from halflife.cli.app import app

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
QUICK = partial(BenchmarkSettings, round_seconds=1e-4, stream_numbers=1 << 12)


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


def test_a_quick_benchmark_ends_with_tables_remarks_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr("halflife.cli.bench.BenchmarkSettings", QUICK)
    options = ["--set", "five", "--optimizer", "sgd", "--optimizer", "lion", "--rounds", "2"]
    result = run("--out", str(tmp_path / "new"), *options)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["benchmark.json", "benchmark.png"]
    assert "5 tensors of 64: 320 parameters in 5 tensors, gradients stay" in result.output
    assert "gradients re-allocated before each step" in result.output
    assert len(re.findall(r"│ SGD, momentum +│ halflife \(\w+\) ", result.output)) == 2
    assert "torch fused, SGD with momentum" in result.output
    assert "0/4 · 5 tensors of 64 · SGD, momentum" in result.output
    assert f"results: {tmp_path / 'new' / 'benchmark.json'}" in result.output
    assert f"picture: {tmp_path / 'new' / 'benchmark.png'}" in result.output
    assert not CONTROL.search(result.output), "control codes where there is no terminal"
    assert json.loads((tmp_path / "new" / "benchmark.json").read_text(encoding="utf-8"))["settings"]["rounds"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rounds", "0"], "--rounds"),
        (["--threads", "many"], "--threads"),
        (["--set", "vgg"], "set 'vgg' is not known; choose among gpt2, resnet"),
        (["--optimizer", "adamx"], "optimizer 'adamx' is not known; choose among adamw"),
        (["--set", "five", "--set", "five"], "each of them once"),
        (["--device", "gpu"], "but 'gpu' was given"),
        (["--bogus"], "No such option"),
    ],
)
def test_a_wrong_option_ends_in_a_sentence(arguments, sentence, tmp_path):
    result = run("--out", str(tmp_path), *arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("halflife.cli.bench.BenchmarkSettings", QUICK)
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = run("--out", str(tmp_path / "taken"), "--set", "five")
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: the results .* cannot be written \(.*\)\.\n", result.stderr)


def test_an_interrupt_says_where_the_finished_sets_are(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("halflife.cli.bench.run_benchmark", interrupted)
    result = run("--out", str(tmp_path))
    assert result.exit_code == 130
    assert "the sets that were finished are in" in result.stderr


def test_help_shows_every_default():
    text = " ".join(run("--help").output.split())
    for default in ("gpt2, resnet", "adamw, adamw-clip-ema", "default: 9", "torch's choice", "what is free"):
        assert default in text
    assert "halflife-bench" in text


def test_a_terminal_gets_a_bar_and_other_outputs_get_lines():
    terminal, pipe = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True
    for console in (Console(file=terminal, force_terminal=True, width=120), Console(file=pipe, width=120)):
        with bench_progress.reporter(console) as show:
            show(BenchmarkProgress(1, 4, "GPT-2 · Lion"))
            show(BenchmarkProgress(1.5, 4, "GPT-2 · Lion"))
    assert "\x1b[" in terminal.getvalue()
    assert "GPT-2 · Lion" in terminal.getvalue()
    assert pipe.getvalue() == "1/4 · GPT-2 · Lion\n"


def test_what_a_step_holds_besides_is_a_column_where_somebody_counts_it():
    def measured(held):
        seconds = (1e-3, 2e-3)
        m = Measurement("five", "scheduled", "lion", "halflife (cuda)", "ours", "", 320, 5, 1, seconds, 20.0, held)
        (table,) = bench_table.tables(Benchmark({}, {}, 1.0, [m]))
        assert "lr moves at each step" in table.title
        return {column.header: list(column.cells) for column in table.columns}

    assert "held besides" not in measured(None)
    assert measured(4.0)["held besides"] == ["4.0"]


def test_remarks_name_the_card_and_its_copy():
    machine = {"processor": "a chip", "cores": 8, "threads": 4, "torch": "2", "load_before": None, "card": "a card"}
    settings = {"stream_numbers": 1 << 28, "stream": "card's copy (device to device"}
    remarks = " ".join(bench_table.remarks(Benchmark(machine, settings, 3000.0)))
    assert "The card's copy (device to device, 268,435,456 numbers) is 3000.0 GB/s" in remarks
    assert "a card; a chip, 8 cores" in remarks


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_card_that_is_not_there_ends_in_a_sentence(tmp_path):
    result = run("--device", "cuda", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "there is no device 'cuda' here" in result.stderr
    assert not list(tmp_path.iterdir())


def test_who_was_not_timed_is_said_once_for_each_reason():
    machine = {"processor": "a chip", "cores": 8, "threads": 4, "torch": "2", "load_before": [6.0, 1, 1]}
    skipped = [Skipped(name, "kept", "adamw", "halflife, 8-bit states", "TypeError: no") for name in ("tiny", "five")]
    skipped.append(Skipped("gpt2", "kept", "adam", "", "needs 9.0 GB, and 1.0 GB may be used"))
    benchmark = Benchmark(machine, {"stream_numbers": 100}, 20.0, [], skipped, ["optimi"])
    remarks = bench_table.remarks(benchmark)
    assert "not timed: halflife, 8-bit states of adamw on tiny, five (TypeError: no)." in remarks
    assert "not timed: adam on gpt2 (needs 9.0 GB, and 1.0 GB may be used)." in remarks
    assert any(line.startswith("The machine was busy before the run (load 6.0 on 8 cores)") for line in remarks)
    assert "not installed, so not timed: optimi." in remarks


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (5.0, "5.00"), (43.21, "43.2"), (1234.5, "1234")])
def test_milliseconds_have_three_digits(value, text):
    assert bench_table.milliseconds(value) == text
