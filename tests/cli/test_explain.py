import re
from dataclasses import dataclass

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from halflife import registry, rules
from halflife.cli.app import app
from halflife.explain import DECAYS, OPTIMIZERS, REGULARIZERS, TOPICS

EVERYTHING = [*OPTIMIZERS, *DECAYS, *REGULARIZERS]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def run(*arguments, width=None):
    return CliRunner().invoke(app, ["explain", *arguments], env={"COLUMNS": width and str(width)})


def test_the_list_names_everything():
    result = run()
    assert result.exit_code == 0
    for name in (*EVERYTHING, *TOPICS):
        assert re.search(rf"^  {name} ", result.output, re.MULTILINE), name
    assert "w ← (1 − lr·λ)·w − lr·m̂/(√v̂ + ε)" in result.output


def test_an_optimizers_page_has_its_equations_and_the_difference():
    output = run("adamw").output
    for words in (
        "Adam × decoupled × L2",
        "m ← β₁·m + (1 − β₁)·g",
        "w ← (1 − lr·λ)·w − lr·u",
        "= (1 − 0.002)·0.74765 − 0.1·1    = 0.6461547007",
        "these lines        0.646154700668762",
        "torch.optim.AdamW  0.64615470066876",
        "w ← (w − lr·u)/(1 + η·λ)",
        "L1, ElasticNet, L0, LHalf, Box, NonNegative, GroupLasso: proximal, proximal_lr, euclidean.",
        "https://arxiv.org/abs/1711.05101",
    ):
        assert words in output
    assert re.search(r"these lines − halflife +\S+ +\d\.\de-1\d\n", output)
    assert re.search(r"decoupled +w ← .* \(default\)", output)


def test_sgds_page_has_the_notebooks_figures():
    output = run("sgd").output
    assert "SGD(lr=0.1, weight_decay=0.02, momentum=0.5, dampening=1.0)" in output
    assert "the figures that the notebook prints" in output
    assert "p1  0.5966  0.5090  0.4043  0.0599\n      0.4896  0.7701  0.2635  0.7330\n" in output
    assert "p2  0.4777  0.0094  0.4888  0.4984\n" in output
    assert re.search(r"halflife − torch +0 +0\n", output)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "muon",
            [
                "Muon × decoupled × L2",
                "There is none for one weight: Muon steps a matrix as one",
                "u  1.1347  0.7655",
                "the direction; it has no diagonal metric D",
                "decay=…, those that it takes",
                "L1, ElasticNet, L0, LHalf, Box, NonNegative, GroupLasso, Sphere: proximal, proximal_lr.",
                "https://arxiv.org/abs/2502.16982",
            ],
        ),
        ("adafactor", ["There is none for one weight: Adafactor looks at more than one", "w ← (1 − lr·λ)·w − rate·u"]),
        ("sparse-adam", ["SparseAdam × no decay × L2", "Decay treatments  none", "these lines − halflife"]),
        (
            "lbfgs",
            ["torch's own step × coupled × L2", "LBFGS steps all weights as one", "Huber, TowardInit: coupled."],
        ),
    ],
)
def test_the_page_of_one_that_does_not_step_each_weight_by_itself(name, words):
    output = run(name).output
    for part in words:
        assert part in output
    if name != "sparse-adam":
        assert "these lines" not in output
        assert re.search(r"halflife − torch +\S+ +\S+\n", output)
    assert ("euclidean" in output.partition("Decay treatments")[2].partition("\n\n")[0]) == (name == "adafactor")
    assert ("g ← g + λ·w" in output.partition("A worked step")[0]) == (name == "lbfgs")


@pytest.mark.parametrize("typed", ["taylor", "TAYLOR", "scale_free", "Scale-Free"])
def test_a_topic_is_found_however_it_is_typed(typed):
    output = run(typed).output
    name = typed.lower().replace("_", "-")
    assert output.startswith(f"\n{name}  {TOPICS[name].title}\n")
    assert "https://arxiv.org/abs/2202.00089" in output


def test_another_decay_of_an_optimizer_is_worked_out():
    output = run("sgd", "--decay", "proximal").output
    assert "SGD × proximal × L2" in output
    assert "w′  = (w − lr·u)/(1 + τ)" in output
    assert "torch.optim.SGD " not in output


def test_a_decays_page_says_what_it_makes_of_each_regularizer():
    output = run("independent").output
    assert "Decay('explicit', 'schedule')" in output
    assert re.search(r"Huber +w ← w − η·λ·clip\(w, −δ, δ\) − lr·u", output)
    assert "GroupLasso" not in output


def test_a_regularizers_page_works_its_prox_out():
    output = run("l1").output
    assert "sign(y)·max(|y| − τ, 0)" in output
    assert re.search(r"−1\.2 +−0\.95\n", output)
    assert "x  = sign(y)·max(|y| − τ, 0)  = sign(2)·max(|2| − 0.25, 0)  = 1.75" in output
    assert re.search(r"least value +0\.855 for all", output)
    assert re.search(r"elsewhere +\d\.\de-\d+ more, at the best of 1,70\d other points\n", output)


@pytest.mark.parametrize("name", [None, *EVERYTHING])
def test_every_page_fits_and_is_plain_where_there_is_no_terminal(name):
    for width in (60, 100):
        result = run(*([name] if name else []), width=width)
        assert result.exit_code == 0, result.output
        assert not CONTROL.search(result.output)
        for line in result.output.splitlines():
            assert line == line.rstrip()
            assert cell_len(line) <= width or "http" in line, line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["adanw"], "no optimizer, decay, regularizer or topic is called 'adanw'; did you mean AdamW"),
        (["xyz"], "the topics (prox, scale-free, taylor, metric, batchnorm, history) too."),
        (["xyz"], "is called 'xyz'; `halflife explain` lists all"),
        (["prox", "--decay", "coupled"], "--decay goes with an optimizer, not with prox"),
        (["scale-fee"], "did you mean scale-free or"),
        (["adam", "--decay", "none"], "decay 'none' is not a treatment; choose among coupled"),
        (["l1", "--decay", "coupled"], "--decay goes with an optimizer, not with L1"),
        (["--decay", "coupled"], "--decay goes with an optimizer, not with the list"),
        (["muon", "--decay", "euclidean"], "the rule Muon, which has no diagonal metric"),
        (["sparse-adam", "--decay", "decoupled"], "'decoupled' is not for SparseAdam, which takes none"),
        (["lbfgs", "--decay", "proximal"], "'proximal' is not for LBFGS, whose decay is part of the loss."),
        (["adam", "lion"], "unexpected extra argument"),
    ],
)
def test_a_wrong_argument_ends_in_a_sentence(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not result.stdout


@dataclass(frozen=True)
class Halved(rules.Rule):
    """Half of the gradient::

    u = h·g
    """

    share: float = 0.5

    def __call__(self, t, w, g, s):
        h = self.share
        return h * g, 1.0, {}


@dataclass(frozen=True)
class Normalized(rules.Rule):
    metric = None

    def __call__(self, t, w, g, s):
        return g / g.norm(), 1.0, {}


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_entries", {**registry._entries})
    for rule in (Halved, Normalized):
        registry.register(registry.RuleEntry(rule, registry.by_fields(rule)))


@pytest.mark.usefixtures("registered")
def test_a_registered_rule_is_worked_out_in_its_own_words():
    output = run("halved").output
    assert re.search(r"Halved +Half of the gradient\n", output)
    assert "\n  u = h·g\n" in output
    assert re.search(r"u += share·g +", output)
    assert re.search(r"these lines − halflife +\S+ +\S+\n", output)
    own = re.search(r"these lines +(\S+)\n +\S+\.Halved +(\S+)", output)
    assert own
    assert float(own[1]) == pytest.approx(float(own[2]), abs=1e-14)
    assert "/(1 + τ)" in run("halved", "--decay", "proximal").output
    assert re.search(r"^  Halved +Half of the gradient", run().output, re.MULTILINE)


@pytest.mark.usefixtures("registered")
def test_a_registered_rule_of_whole_tensors_says_why_it_has_no_worked_step():
    output = run("normalized").output
    assert "There is none for one weight" in output
    assert re.search(r"coupled, decoupled, .* cautious", output)
    assert "euclidean" not in output
    result = run("normalized", "--decay", "euclidean")
    assert result.exit_code == 2
    assert "the rule Normalized, which has no diagonal metric" in result.stderr
