"""``halflife doctor``: whatever a compiler or a kernel does, it ends with a sentence."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from halflife.cli import self_tests
from halflife.cli.app import app
from halflife.cli.doctor import VARIABLES
from halflife.cli.self_tests import TRIED, Answers, answers, outcome
from halflife.engines.cuda import cache, host, rtc

needs_compiler = pytest.mark.skipif(bool(host.obstacle()), reason=str(host.obstacle()))
posix = pytest.mark.skipif(os.name == "nt", reason="signals and scripts of a POSIX shell")
FIRST = f"print({json.dumps(json.dumps([next(iter(TRIED)), '']))}, flush=True)"
ASKS = "HALFLIFE_COMPILE=cpu or engine='compiled'"
RIGHT = f"4 of 4 kernels step as foreach does; {ASKS} asks for them"
"""What is said where all is well."""


def of(code: str, seconds: float = 60) -> str:
    """The sentence on a process that runs this instead."""
    return outcome("cpu", "x=1", [sys.executable, "-c", code], seconds)


def forget() -> None:
    """Where kernels are kept and what compiles them is asked anew."""
    for known in (cache.place, host.compiler):
        known.cache_clear()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """With a cache that is empty, and an environment that is the test's to change."""
    monkeypatch.setenv("HALFLIFE_CACHE", str(tmp_path / "kernels"))
    monkeypatch.delenv("CXX", raising=False)
    forget()
    yield monkeypatch
    monkeypatch.undo()
    forget()


def run(*arguments: str) -> Result:
    """The command, whose exit status is 0 whatever it finds."""
    result = CliRunner().invoke(app, ["doctor", *arguments])
    assert result.exit_code == 0, result.output
    return result


def line(name: str, output: str) -> str:
    found = re.search(rf"^{name} +(.*)$", output, re.M)
    assert found, output
    return found[1]


def compiler(path: Path, does: str) -> str:
    """A compiler that knows its version, and does this when it is to compile."""
    path.write_text(f'#!/bin/sh\ncase "$*" in *--version*) echo "g++ 99"; exit;; esac\n{does}\n', encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def ends(pid: str) -> bool:
    """Whether this process is soon gone: whoever inherits it has to take note."""
    for _ in range(100):
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@needs_compiler
def test_kernels_are_tried_in_a_process_of_their_own_and_remembered(machine: pytest.MonkeyPatch) -> None:
    assert outcome("cpu", ASKS) == RIGHT
    kept = cache.usage()
    assert kept.kernels == 4
    assert kept.files == 8
    assert outcome("cpu", ASKS) == RIGHT
    assert cache.usage() == kept
    machine.setenv("CXX", "false")
    text = outcome("cpu", ASKS)
    assert text.startswith("0 of 4 kernels step as foreach does; AdamW in float32: ")
    assert "false" in text
    assert "asks for them" not in text


def test_a_crash_a_hang_and_an_error_are_said() -> None:
    right = "1 of 4 kernels step as foreach does; the process that tries them "
    end = " after AdamW in float32, and so may a training with x=1"
    if os.name != "nt":
        crash = of(f"{FIRST}; import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        assert crash == f"{right}was ended by SIGSEGV{end}"
    hang = of(f"{FIRST}; import time; time.sleep(60)", 3)
    assert hang == f"{right}did not end within 3 s{end}"
    error = of("raise RuntimeError('no such thing')")
    assert error == (
        "0 of 4 kernels step as foreach does; the process that tries them ended with 1: RuntimeError: no such thing, "
        "and so may a training with x=1"
    )
    wrong = of(f"print({json.dumps(json.dumps(['AdamW', 'finds 3 numbers off']))})")
    assert wrong == "0 of 4 kernels step as foreach does; AdamW: finds 3 numbers off"


def test_what_else_a_process_prints_is_no_answer() -> None:
    found = answers("", [sys.executable, "-c", f"print('loaded'); print('[1, 2]'); {FIRST}; print('[\"Adam', end='')"])
    assert found == Answers([("AdamW in float32", "")], "")


@posix
@pytest.mark.parametrize("number", ["signal.SIGRTMIN + 3", "signal.SIGKILL"])
def test_signals_with_and_without_names(number: str) -> None:
    found = answers("", [sys.executable, "-c", f"import os, signal; os.kill(os.getpid(), {number})"])
    assert re.fullmatch(r"was ended by (signal \d+|SIGKILL)", found.end)


@posix
def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = "import subprocess, sys; subprocess.run(['sh', '-c', f'echo $$ > {sys.argv[1]}; sleep 60; echo late'])"
    began = time.monotonic()
    assert answers("", [sys.executable, "-c", code, str(told)], 3).end == "did not end within 3 s"
    assert time.monotonic() - began < 30
    assert ends(told.read_text(encoding="utf-8"))


def test_what_lies_in_the_current_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("python -m always looks into the current folder first there")
    (tmp_path / "json.py").write_text("raise RuntimeError('a stranger')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    assert [name for name, _ in answers("models").found] == [*self_tests.MODELS]


@needs_compiler
def test_it_says_what_there_is_and_empties_the_cache(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    output, folder = run().output, (tmp_path / "kernels").resolve()
    assert f"HALFLIFE_CACHE={tmp_path}" in line("settings", output)
    assert line("cpu kernels", output) == RIGHT
    used = re.fullmatch(
        rf"4 compiled kernels \(8 files, [\d.]+ MB\) in {re.escape(str(folder))}; `halflife doctor --clear-cache` .*",
        line("kernel cache", output),
    )
    assert used, output
    stranger = folder / "notes.txt"
    stranger.write_text("mine", encoding="utf-8")
    assert run("--clear-cache").output.startswith("Removed 4 compiled kernels (8 files, ")
    assert list(folder.iterdir()) == [stranger]


@posix
@needs_compiler
def test_a_compiler_that_takes_its_process_with_it_stops_no_doctor(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.setenv("CXX", compiler(tmp_path / "crash", "kill -SEGV $PPID"))
    machine.setenv("HALFLIFE_NATIVE", "0")
    machine.setenv("HALFLIFE_COMPILE", "cpu")  # so that to know the engine of a model takes a kernel too
    output = run().output
    ended = "was ended by SIGSEGV"
    assert line("small model", output) == f"not known: the process that asks for its engine {ended}"
    assert line("large model", output) == f"not known: the process that asks for its engine {ended}"
    assert line("cpu kernels", output) == (
        f"0 of 4 kernels step as foreach does; the process that tries them {ended}, and so may a training with {ASKS}"
    )
    assert line("kernel cache", output).startswith("0 compiled kernels (0 files, ")


@posix
@needs_compiler
def test_a_compiler_that_hangs_is_said_and_ended(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.setenv("CXX", compiler(tmp_path / "hang", f"echo $$ >> {tmp_path / 'pids'}; exec sleep 300"))
    machine.setattr(self_tests, "SECONDS", 15)
    assert "the process that tries them did not end within 15 s, and" in line("cpu kernels", run().output)
    (pid,) = (tmp_path / "pids").read_text(encoding="utf-8").split()
    assert ends(pid)


@pytest.mark.usefixtures("asked_once")
def test_it_says_what_is_missing(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("CXX", "no-such-compiler")
    forget()
    output = run().output
    assert line("cpu kernels", output).startswith("none: CXX=no-such-compiler names no program here; a rule without")
    if not torch.cuda.is_available():
        assert line("cuda kernels", output) == "none: torch sees no NVIDIA GPU here"
    machine.setenv("HALFLIFE_CUDA", "0")
    output = run().output
    assert "HALFLIFE_CUDA=0 turns it off" in output.partition("cpu kernels")[2]
    assert "CXX=no-such-compiler, " not in line("settings", output)
    assert "HALFLIFE_CUDA=0" in line("settings", output)


@pytest.mark.usefixtures("asked_once")
def test_settings_without_effect_are_said(machine: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        machine.delenv(name, raising=False)
    machine.setenv("HALFLIFE_COMPILE", "gpu")
    machine.setenv("HALFLIFE_CUDA", "0")
    machine.setenv("CXX", "no-such-compiler")
    forget()
    assert line("settings", run().output) == (
        "HALFLIFE_COMPILE=gpu (no effect: only cpu has one), HALFLIFE_CUDA=0, CXX=no-such-compiler"
    )


def test_the_page_on_kernels_names_every_setting() -> None:
    page = (Path(__file__).parents[2] / "docs/kernels.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)=", page, re.M) != []
    assert set(re.findall(r"^\| `(\w+)=", page, re.M)) == set(VARIABLES)


@pytest.mark.usefixtures("asked_once")
def test_it_asks_each_gpu_and_says_that_cuda_core_is_missing(machine: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise ImportError("No module named 'cuda'")

    def capability(device: torch.device) -> tuple[int, int]:
        return (6, 1) if device.index else (9, 0)

    machine.delenv("HALFLIFE_CUDA", raising=False)
    machine.setenv("CXX", "no-such-compiler")
    forget()
    machine.setattr(torch.cuda, "is_available", lambda: True)
    machine.setattr(torch.cuda, "device_count", lambda: 2)
    machine.setattr(torch.version, "hip", None)
    machine.setattr(rtc, "capability", capability)
    machine.setattr(rtc, "_core", gone)
    output = run().output
    missing = line("cuda:0 kernels", output)
    assert missing.startswith("none: cuda.core cannot be imported (No module named 'cuda'); pip install 'halflife-")
    assert "foreach, which holds several models of temporaries" in missing
    assert line("cuda:1 kernels", output) == "none: it needs compute capability 7.0 or more, and cuda:1 has 6.1"
