"""The command's first words, and what it does where the lab's packages are not installed."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

import pytest

import halflife

LAB = ("typer", "rich", "click", "scipy", "matplotlib", "sklearn", "plotly", "jinja2", "pooch", "cloudpickle", "pandas")
ABSENT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from halflife.cli import main
main()
"""


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=False, timeout=120
    )


def without(absent, *arguments):
    """What the command does on a machine that lacks these packages."""
    return python("-X", "utf8", "-c", ABSENT.format(absent=set(absent)), *arguments)


def with_all(*arguments):
    return python("-X", "utf8", "-m", "halflife", *arguments)


def test_the_version_is_printed():
    said = f"halflife {halflife.__version__}\n"
    assert (with_all("--version").stdout, without(LAB, "--version").stdout) == (said, said)


def test_help_and_the_bare_command_are_the_same_and_show_examples():
    bare, asked = with_all(), with_all("--help")
    assert (bare.returncode, bare.stdout, bare.stderr) == (0, asked.stdout, "")
    for example in ("halflife study my.py:problem\n", "halflife explain AdamW\n", "halflife convert 0.01 --to keras"):
        assert example in bare.stdout
    assert "..." not in bare.stdout.split("Commands:")[1], "a command's line that is cut off"


def test_the_examples_run():
    for command in re.findall(r"^ +halflife ((?:explain|convert) .*)$", with_all("--help").stdout, re.MULTILINE):
        done = with_all(*command.split())
        assert done.returncode == 0, done.stderr


def test_without_the_lab_help_names_the_commands_that_work():
    for done in (without(LAB), without(LAB, "--help")):
        assert done.returncode == 0, done.stderr
        assert "pip install 'halflife-optim[lab]'" in done.stdout
        assert "Examples:" in done.stdout
        for command in ("doctor", "explain", "convert"):
            assert re.search(rf"^    {command} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["study", "report", "export", "import", "bench", "suggest"])
def test_without_the_lab_other_commands_say_in_one_sentence_how_to_get_it(command):
    done = without(LAB, command, "x")
    said = f"Error: halflife {command} needs typer, which is not installed: pip install 'halflife-optim[lab]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.parametrize("absent", [LAB, ("rich",), ("scipy",)], ids=["all", "rich", "scipy"])
def test_the_doctor_needs_torch_and_numpy_alone(absent):
    done = without(absent, "doctor")
    assert done.returncode == 0, done.stderr
    for line in ("torch ", "halflife ", "native ", "rules ", "small model ", "kernel cache "):
        assert re.search(f"^{line}", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", [None, "AdamW", "Rprop", "proximal", "L1"])
def test_a_page_says_the_same_without_the_lab(name):
    arguments = ["explain", *([name] if name else [])]
    plain, styled = without(LAB, *arguments), with_all(*arguments)
    assert plain.returncode == 0, plain.stderr
    assert not plain.stderr
    assert sorted(plain.stdout.split()) == sorted(styled.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["0.01", "--from", "torch"],
        ["0.01", "--to", "keras", "--lr", "1e-3", "--eps", "1e-6", "--betas", "0.9,0.98"],
        ["0.01", "--to", "loshchilov-hutter", "--steps", "1000", "--schedule", "cosine"],
        ["0.1", "--from", "torch-sgd", "--to", "keras-sgd", "--momentum", "0.9"],
        ["0.01", "--from", "torch-muon", "--shape", "768,3072"],
        ["0.01", "--to", "schedule-free"],
        ["0.01", "--to", "kerass"],
        ["0.01", "--betas", "0.9"],
        ["0.01", "--shape", "7"],
    ],
    ids=" ".join,
)
def test_convert_says_the_same_without_the_lab(arguments):
    plain, full = without(LAB, "convert", *arguments), with_all("convert", *arguments)
    assert plain.stdout or plain.stderr
    assert (plain.returncode, plain.stdout, plain.stderr) == (full.returncode, full.stdout, full.stderr)


def test_convert_has_the_same_options_without_the_lab():
    plain, full = (run("convert", "--help").stdout for run in (partial(without, LAB), with_all))
    assert set(re.findall(r"--\w+", plain)) == set(re.findall(r"--\w+", full))
    assert len(re.findall(r"--\w+", plain)) > 10


def test_a_wrong_argument_ends_in_a_sentence_without_the_lab():
    done = without(LAB, "explain", "adanw")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: no optimizer, decay or regularizer is called 'adanw'; did you mean AdamW")
    assert not done.stdout
