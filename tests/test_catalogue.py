"""Every optimizer and every registered rule can be timed and studied by its name."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from typer.testing import CliRunner

import halflife
from halflife import optimizers as optim
from halflife import registry, rules
from halflife.benchmark import ENTRIES, SETS, BenchmarkSettings, run_benchmark
from halflife.catalogue import command_name, rule_of, why_not
from halflife.cli.app import app
from halflife.lab import OPTIMIZER_SPECS, ExecutionConfig, Settings, StudyError, run_study

PUBLIC = {name: x for name in halflife.__all__ if isinstance(x := getattr(halflife, name), type)}
CLASSES = {n: c for n, c in PUBLIC.items() if issubclass(c, halflife.Optimizer) and c is not halflife.Optimizer}
DENSE = [name for name, c in CLASSES.items() if rule_of(c).sparse != "required"]
ENTRIES_OF_DENSE = [entry for entry in registry.entries() if entry.rule.sparse != "required"]

PLUGIN = """
from dataclasses import dataclass
from halflife import registry, rules
from halflife.arithmetic import Scalar

@dataclass(frozen=True)
class HeavySign(rules.Rule):
    sharpness: Scalar = 10.0

    def __call__(self, t, w, g, s):
        return (self.sharpness * g).tanh(), 1.0, {}

registry.register(registry.RuleEntry(HeavySign, registry.by_fields(HeavySign)))
"""


@dataclass(frozen=True)
class HalfStep(rules.Rule):
    share: float = 0.5

    def __call__(self, t, w, g, s):
        return self.share * g, 1.0, {}


@pytest.fixture
def half_step(monkeypatch):
    """A rule registered at run time, for one test."""
    monkeypatch.setattr(registry, "_entries", {**registry._entries})
    registry.register(registry.RuleEntry(HalfStep, registry.by_fields(HalfStep)))


def test_the_list_of_optimizers_is_what_the_library_shows():
    assert optim.OPTIMIZERS == CLASSES


def test_names_are_the_classes_in_kebab_case():
    names = {"AdamW": "adamw", "AdamL2": "adam-l2", "ProxSGD": "prox-sgd", "RMSprop": "rmsprop", "RAdam": "radam"}
    assert {name: command_name(name) for name in names} == names


@pytest.mark.parametrize("name", DENSE)
def test_every_class_can_be_timed_and_studied(name):
    assert ENTRIES[command_name(name)].ours is CLASSES[name]
    spec = OPTIMIZER_SPECS[command_name(name)]
    assert spec.optimizer is CLASSES[name]
    assert command_name(name) in [*OPTIMIZER_SPECS]
    assert command_name(name) in [*ENTRIES]
    (studied,) = Settings(optimizers=(command_name(name),)).optimizer_specs()
    if name == "Adam":  # its name is the baseline's, which has no decay
        assert (studied.optimizer, studied.update, studied.name) == (spec.optimizer, spec.update, "adam:coupled")
    else:
        assert studied == spec


@pytest.mark.parametrize("name", ["sparse-adam", "lbfgs"])
def test_what_takes_no_single_dense_gradient_is_neither_timed_nor_studied_and_the_reason_is_said(name):
    words = {
        "sparse-adam": "SparseAdam takes sparse gradients alone",
        "lbfgs": "asks for the loss several times a step",
    }
    assert words[name] in why_not(name)
    for catalogue in (OPTIMIZER_SPECS, ENTRIES):
        assert name not in catalogue
        assert name not in [*catalogue]
        with pytest.raises(KeyError):
            catalogue[name]
    for refused in (Settings, BenchmarkSettings):
        with pytest.raises(StudyError, match=f"{name} cannot be (studied|timed): .*{words[name]}"):
            refused(optimizers=(name,))
    with pytest.raises(StudyError, match=r"halflife\.SparseAdam cannot be studied"):
        Settings(optimizers=("halflife.SparseAdam",))


def test_of_another_name_there_is_no_reason():
    assert [why_not(name) for name in ("adamw", "muon", "optimizer-of", "xyz")] == [""] * 4


@pytest.mark.parametrize("entry", ENTRIES_OF_DENSE, ids=lambda entry: entry.name)
def test_every_registered_rule_can_be_timed_and_studied(entry):
    name = command_name(entry.name)
    assert type(OPTIMIZER_SPECS[name].update.rule) is entry.rule
    optimizer = ENTRIES[name].ours([torch.nn.Parameter(torch.zeros(2, 2))])
    assert type(optimizer.view(optimizer.param_groups[0]).rule) is entry.rule


def test_each_name_is_one_of_a_kind():
    for catalogue in (OPTIMIZER_SPECS, ENTRIES):
        assert len([*catalogue]) == len({*catalogue}) == len(catalogue)
        assert [one.name for one in catalogue.values()] == [*catalogue]


def test_lambdas_that_lr_multiplies_are_tried_larger():
    assert OPTIMIZER_SPECS["lion"].lams == OPTIMIZER_SPECS["adamw-torch"].lams == OPTIMIZER_SPECS["adamw"].lams
    assert OPTIMIZER_SPECS["nadam"].lams == OPTIMIZER_SPECS["adamw-paper"].lams
    assert OPTIMIZER_SPECS["lion"].lams[0] == 100 * OPTIMIZER_SPECS["nadam"].lams[0]


def test_a_rule_has_one_class(half_step):
    entry = registry.entry_named("HalfStep")
    made = optim.optimizer_of(entry)
    assert made is optim.optimizer_of(entry)
    assert (made.__name__, made.__module__) == ("HalfStep", __name__)
    w = torch.nn.Parameter(torch.ones(1))
    w.grad = torch.ones(1)
    made([w], lr=1.0, share=0.25).step()
    assert w.item() == 0.75
    assert optim.optimizer_of(registry.entry_of(rules.Adam)) is halflife.Adam


def test_a_rule_registered_at_run_time_is_timed(half_step, tmp_path):
    settings = BenchmarkSettings((SETS["five"],), ("half-step",), rounds=1, round_seconds=1e-4, stream_numbers=1 << 12)
    report = run_benchmark(settings, tmp_path)
    assert {m.optimizer for m in report.benchmark.measurements} == {"half-step"}
    assert {m.role for m in report.benchmark.measurements} == {"ours"}
    assert not report.benchmark.skipped


@pytest.mark.parametrize(("executor", "workers"), [("vectorised", 1), ("processes", 2)])
def test_a_rule_registered_at_run_time_is_studied(half_step, tmp_path, executor, workers):
    settings = Settings(
        optimizers=("half-step", "adamw-paper"), lrs=(0.1, 1.0), lams=(1e-4, 1e-3), seeds=1, epochs=1, batch_size=200
    )
    (result,), _, _ = run_study(settings, tmp_path, how=ExecutionConfig(executor, workers))
    found = result.found("half-step")
    assert found.complete == (0,)
    assert not found.diverged.any()
    assert found.spec.label == "HalfStep"


def test_a_rule_of_another_distribution_is_known_to_the_commands(tmp_path):
    about = tmp_path / "heavy_sign-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy-sign\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[halflife.rules]\nheavy = heavy_sign\n", encoding="utf-8")
    (tmp_path / "heavy_sign.py").write_text(PLUGIN, encoding="utf-8")
    run = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from halflife.cli import main; main()"
    options = ["--optimizer", "heavy-sign", "--workers", "2", "--seeds", "1", "--epochs", "1", "--batch-size", "200"]
    command = [sys.executable, "-c", run, "study", "--out", str(tmp_path / "out"), *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "HeavySign: Best lr" in done.stdout


def test_rules_that_cannot_be_loaded_stop_no_command(monkeypatch):
    def broken():
        raise ImportError("no module named numbers2")

    monkeypatch.setattr(registry, "load_plugins", broken)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "halflife.rules) cannot be loaded (ImportError: no module named numbers2)" in result.stderr
