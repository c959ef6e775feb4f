"""The command's first words, and what it does where the lab's packages are not installed."""

from __future__ import annotations

import re

import pytest

import halflife

from .processes import commands, python

LAB = ("typer", "rich", "click", "scipy", "matplotlib", "sklearn", "plotly", "jinja2", "pooch", "cloudpickle", "pandas")
OTHERS = ["study", "report", "export", "import", "bench", "suggest"]
PAGES = [("explain",), *(("explain", name) for name in ("AdamW", "Rprop", "proximal", "L1"))]
CONVERSIONS = [
    ("convert", *words.split())
    for words in (
        "0.01 --from torch",
        "0.01 --to keras --lr 1e-3 --eps 1e-6 --betas 0.9,0.98",
        "0.01 --to loshchilov-hutter --steps 1000 --schedule cosine",
        "0.1 --from torch-sgd --to keras-sgd --momentum 0.9",
        "0.01 --from torch-muon --shape 768,3072",
        "0.01 --to schedule-free",
        "0.01 --to kerass",
        "0.01 --betas 0.9",
        "0.01 --shape 7",
    )
]
ASKED = [(), ("--help",), ("--version",), *PAGES, *CONVERSIONS, ("convert", "--help")]


@pytest.fixture(scope="module")
def without_lab():
    """What the command does on a machine that lacks the lab's packages."""
    wrong = [*((command, "x") for command in OTHERS), ("explain", "adanw")]
    return commands([*ASKED, *wrong, ("doctor",)], absent=LAB)


@pytest.fixture(scope="module")
def with_all():
    return commands(ASKED)


def test_the_version_is_printed(with_all, without_lab):
    said = f"halflife {halflife.__version__}\n"
    assert (with_all["--version",].stdout, without_lab["--version",].stdout) == (said, said)
    assert python("-X", "utf8", "-m", "halflife", "--version").stdout == said


def test_help_and_the_bare_command_are_the_same_and_show_examples(with_all):
    bare, asked = with_all[()], with_all["--help",]
    assert (bare.returncode, bare.stdout, bare.stderr) == (0, asked.stdout, "")
    for example in ("halflife study my.py:problem\n", "halflife explain AdamW\n", "halflife convert 0.01 --to keras"):
        assert example in bare.stdout
    assert "..." not in bare.stdout.split("Commands:")[1], "a command's line that is cut off"


def test_the_examples_run(with_all):
    examples = re.findall(r"^ +halflife ((?:explain|convert) .*)$", with_all["--help",].stdout, re.MULTILINE)
    assert examples
    for words, done in commands([example.split() for example in examples]).items():
        assert done.returncode == 0, (words, done.stderr)


def test_without_the_lab_help_names_the_commands_that_work(without_lab):
    for done in (without_lab[()], without_lab["--help",]):
        assert done.returncode == 0, done.stderr
        assert "pip install 'halflife-optim[lab]'" in done.stdout
        assert "Examples:" in done.stdout
        for command in ("doctor", "explain", "convert"):
            assert re.search(rf"^    {command} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", OTHERS)
def test_without_the_lab_other_commands_say_in_one_sentence_how_to_get_it(without_lab, command):
    said = f"Error: halflife {command} needs typer, which is not installed: pip install 'halflife-optim[lab]'\n"
    assert without_lab[command, "x"] == (1, "", said)


@pytest.mark.parametrize("absent", [LAB, ("rich",), ("scipy",)], ids=["all", "rich", "scipy"])
def test_the_doctor_needs_torch_and_numpy_alone(without_lab, known, absent):
    found = without_lab if absent is LAB else commands([["doctor"]], absent=absent, known=known)
    done = found["doctor",]
    assert done.returncode == 0, done.stderr
    for line in ("torch ", "halflife ", "native ", "rules ", "small model ", "kernel cache "):
        assert re.search(f"^{line}", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_a_page_says_the_same_without_the_lab(without_lab, with_all, page):
    plain, styled = without_lab[page], with_all[page]
    assert plain.returncode == 0, plain.stderr
    assert not plain.stderr
    assert sorted(plain.stdout.split()) == sorted(styled.stdout.split())


@pytest.mark.parametrize("asked", CONVERSIONS, ids=" ".join)
def test_convert_says_the_same_without_the_lab(with_all, without_lab, asked):
    assert without_lab[asked].stdout or without_lab[asked].stderr
    assert without_lab[asked] == with_all[asked]


def test_convert_has_the_same_options_without_the_lab(with_all, without_lab):
    plain, full = (done["convert", "--help"].stdout for done in (without_lab, with_all))
    assert set(re.findall(r"--\w+", plain)) == set(re.findall(r"--\w+", full))
    assert len(re.findall(r"--\w+", plain)) > 10


def test_a_wrong_argument_ends_in_a_sentence_without_the_lab(without_lab):
    done = without_lab["explain", "adanw"]
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert said.startswith("Error: no optimizer, decay, regularizer or topic is called 'adanw'; did you mean AdamW")
    assert not done.stdout
