"""Hugging Face's TrainingArguments name an optimizer of ours, and the Trainer makes it."""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import halflife
from halflife.regularizers import L1

from .users import samples

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from halflife.integrations.transformers import Trainer, TrainingArguments

pytestmark = pytest.mark.filterwarnings("ignore")
PATH = os.pathsep.join([str(Path(halflife.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])


class Model(nn.Module):
    """With a normalization and biases, which the Trainer spares, and a head that it names itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.inner = nn.Linear(4, 8)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 1)

    def get_output_embeddings(self) -> nn.Module:
        return self.out

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.out(self.norm(self.inner(x)).relu()) - labels).square().mean()}


SETTINGS: dict[str, Any] = {
    "max_steps": 16,
    "save_steps": 8,
    "logging_strategy": "no",
    "report_to": "none",
    "use_cpu": True,
    "disable_tqdm": True,
    "per_device_train_batch_size": 4,
    "data_seed": 3,
    "learning_rate": 0.05,
    "weight_decay": 0.5,
    "warmup_steps": 3,
}


def arguments(folder: Path, ours: bool = True, **kwargs: Any) -> Any:
    kind = TrainingArguments if ours else transformers.TrainingArguments
    return kind(output_dir=str(folder), **{**SETTINGS, **kwargs})


def fit(args: Any, resume: Any = None, kind: Any = Trainer) -> Any:
    data = [{"x": x, "labels": y} for x, y in zip(*samples(), strict=True)]
    trainer = kind(Model(), args, train_dataset=data)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def weights(trainer: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def optimizer_of(trainer: Any) -> Any:
    optimizer = trainer.optimizer
    return getattr(optimizer, "optimizer", optimizer)


@pytest.mark.parametrize("settings", [{}, {"adam_beta1": 0.8, "adam_beta2": 0.95, "adam_epsilon": 1e-3}], ids=str)
def test_adamw_is_theirs_and_goes_on_from_their_checkpoint(settings: dict[str, Any], tmp_path: Path) -> None:
    theirs = fit(arguments(tmp_path / "theirs", ours=False, optim="adamw_torch", **settings))
    ours = fit(arguments(tmp_path / "ours", optimizer="adamw", **settings))
    assert type(optimizer_of(ours)) is halflife.AdamW
    assert (weights(ours) - weights(theirs)).abs().max() < 1e-5
    without = fit(arguments(tmp_path / "without", optimizer="adamw", **{**settings, "weight_decay": 0.0}))
    assert (weights(ours) - weights(without)).abs().max() > 1e-2  # the decay counts
    start = torch.cat([p.detach().flatten() for p in Model().parameters()])
    assert (weights(ours) - start).abs().max() > 0.1
    on = fit(arguments(tmp_path / "on", optimizer="adamw", **settings), str(tmp_path / "theirs/checkpoint-8"))
    assert (weights(on) - weights(theirs)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adamw", {"decay": "independent", "state_dtype": "8bit"}),
        ("prox-adam", {"regularizer": "l1", "state_dtype": "bfloat16"}),
        ("muon", {"betas": [0.9, 0.95]}),
    ],
)
def test_resume_is_bit_for_bit(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    args = arguments(tmp_path, optimizer=name, optimizer_args=settings, weight_decay=0.01)
    whole = weights(fit(args))
    assert torch.equal(weights(fit(args, str(tmp_path / "checkpoint-8"))), whole)


def test_l1_gives_zeros(tmp_path: Path) -> None:
    made = fit(arguments(tmp_path, optimizer="prox-adam", optimizer_args={"regularizer": "l1"}, weight_decay=0.05))
    assert optimizer_of(made).param_groups[0]["regularizer"] == L1()
    assert (made.model.inner.weight == 0).float().mean() > 0.3
    assert not (made.model.inner.bias == 0).any()
    without = fit(arguments(tmp_path / "b", optimizer="prox-adam", weight_decay=0.05))
    assert not (without.model.inner.weight == 0).any()


def test_muon_steps_the_matrices_inside_and_adamw_the_rest(tmp_path: Path) -> None:
    made = fit(arguments(tmp_path, optimizer="muon", adam_beta2=0.95, optimizer_args={"momentum": 0.9}))
    found = {name: g for g in optimizer_of(made).param_groups for name in g["param_names"]}
    assert {name for name, g in found.items() if g.get("rule") != "Adam"} == {"inner.weight"}
    assert found["inner.weight"]["momentum"] == 0.9
    assert found["out.weight"]["betas"] == (0.9, 0.95)
    decayed = {name for name, g in found.items() if g["weight_decay"] == 0.5}
    assert decayed == {"inner.weight", "out.weight"}


def test_groups_of_ones_own_take_the_place_of_their_split(tmp_path: Path) -> None:
    own = {"no_decay": ["out.*"], "overrides": {"inner.*": {"lr": 0.01}}}
    args = arguments(tmp_path, optimizer="adamw", optimizer_args=own)
    groups = Trainer(Model(), args).create_optimizer().param_groups
    assert {n for g in groups if g["weight_decay"] == 0 for n in g["param_names"]} == {"out.weight", "out.bias"}
    assert {n for g in groups if g["lr"] == 0.01 for n in g["param_names"]} == {"inner.weight", "inner.bias"}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("lion", {}, {"betas": (0.9, 0.99)}),
        ("lion", {"adam_beta1": 0.95}, {"betas": (0.95, 0.99)}),
        ("adadelta", {}, {"eps": 1e-6}),
        ("adadelta", {"adam_epsilon": 1e-4, "adam_beta1": 0.5}, {"eps": 1e-4}),
        ("adafactor", {"adam_epsilon": 1e-4}, {"eps": (None, 1e-3)}),
        ("adamw", {"adam_beta2": 0.95, "optimizer_args": {"eps": 1e-5}}, {"betas": (0.9, 0.95), "eps": 1e-5}),
    ],
)
def test_betas_and_epsilon_that_are_said_go_where_they_are_known(
    name: str, settings: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    args = arguments(tmp_path, optimizer=name, **settings)
    group = Trainer(Model(), args).create_optimizer().param_groups[0]
    assert {word: group[word] for word in expected} == expected
    assert (group["lr"], group["weight_decay"]) == (0.05, 0.5)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"optimizer": "adamw_torch"}, ValueError, "no optimizer called 'adamw_torch'; did you mean 'adamw'"),
        ({"optimizer": "lbfgs"}, ValueError, "asks for the loss several times a step"),
        ({"optimizer": "adamw", "optim": "sgd"}, ValueError, "name two optimizers; leave one out"),
        ({"optimizer_args": {"decay": "proximal"}}, ValueError, "none is named"),
        ({"optimizer": "adamw", "optimizer_args": {"lr": 0.1}}, ValueError, "give learning_rate="),
        ({"optimizer": "adamw", "optimizer_args": {"weight_decay": 0.1}}, ValueError, "give weight_decay="),
        ({"optimizer": "adamw", "optimizer_args": {"max_grad_norm": 0.1}}, ValueError, "clips already, to 1.0"),
        ({"optimizer": "adamw", "optimizer_args": {"dekay": "proximal"}}, TypeError, "did you mean 'decay'"),
        ({"optimizer": "adamw", "optimizer_args": {"decay": "prox"}}, ValueError, "did you mean 'proximal'"),
        ({"optimizer": "adamw", "optimizer_args": {"regularizer": "l1"}}, ValueError, "L1"),
        ({"optimizer": "adamw", "optimizer_args": {"regularizer": "l7"}}, ValueError, "regularizer='l7' is not known"),
        ({"optimizer": "adamw", "optimizer_args": {"regularizer": L1()}}, TypeError, "write 'l1'"),
        ({"optimizer": "adamw", "optimizer_args": "decay=proximal"}, ValueError, "is no JSON"),
        ({"optimizer": "adamw", "optimizer_args": "[1]"}, TypeError, "must be a dict of settings"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_when_the_arguments_are_made(
    settings: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        arguments(tmp_path, **settings)


def test_blocks_are_not_checked_before_there_is_a_model(tmp_path: Path) -> None:
    blocks = {"regularizer": {"name": "group-lasso", "dim": 1}}
    args = arguments(tmp_path, optimizer="prox-adam", optimizer_args=blocks, weight_decay=0.05)
    fit(args)


def test_making_arguments_draws_no_random_numbers(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    arguments(tmp_path, optimizer="muon")
    assert torch.equal(torch.get_rng_state(), state)


def test_clipping_in_the_step_instead(tmp_path: Path) -> None:
    args = arguments(tmp_path, optimizer="adamw", optimizer_args={"max_grad_norm": 0.1}, max_grad_norm=0)
    trainer = fit(args)
    assert optimizer_of(trainer).grad_norm is not None
    by_trainer = fit(arguments(tmp_path / "b", optimizer="adamw", max_grad_norm=0.1))
    assert (weights(trainer) - weights(by_trainer)).abs().max() < 1e-5


def test_json_command_line_and_replace(tmp_path: Path) -> None:
    args = arguments(tmp_path, optimizer="prox-adam", optimizer_args={"regularizer": "l1", "betas": (0.9, 0.95)})
    (tmp_path / "args.json").write_text(args.to_json_string(), encoding="utf-8")
    parser = transformers.HfArgumentParser(TrainingArguments)
    (read,) = parser.parse_json_file(tmp_path / "args.json")
    asked = ["--output_dir", str(tmp_path), "--optimizer", "prox-adam", "--use_cpu", "--report_to", "none"]
    asked += ["--optimizer_args", json.dumps(args.optimizer_args)]
    (parsed,) = transformers.HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(asked)
    for other in (read, parsed, replace(args, learning_rate=0.1)):
        assert (other.optimizer, other.optimizer_args) == ("prox-adam", {"regularizer": "l1", "betas": [0.9, 0.95]})
    assert read.to_dict() == args.to_dict()
    assert "halflife.list_optimizers()" in parser.format_help()
    assert "<HUB_TOKEN>" in repr(arguments(tmp_path, hub_token="secret"))


def test_their_own_trainer_refuses_what_it_would_ignore(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"halflife\.integrations\.transformers\.Trainer"):
        transformers.Trainer(Model(), arguments(tmp_path, optimizer="lion")).create_optimizer()


def test_without_a_name_and_with_an_optimizer_given_it_is_their_trainer(tmp_path: Path) -> None:
    made = Trainer(Model(), arguments(tmp_path, optim="sgd")).create_optimizer()
    assert type(made) is torch.optim.SGD
    given = torch.optim.Adagrad(Model().parameters())
    args = arguments(tmp_path, optimizer="lion")
    assert Trainer(Model(), args, optimizers=(given, None)).create_optimizer() is given
    pair = (torch.optim.Adagrad, {"lr": 0.1})
    assert type(Trainer(Model(), args, optimizer_cls_and_kwargs=pair).create_optimizer()) is torch.optim.Adagrad
    theirs = arguments(tmp_path, ours=False, optim="sgd")
    assert type(Trainer(Model(), theirs).create_optimizer()) is torch.optim.SGD


@dataclass
class Seq2SeqArguments(TrainingArguments, transformers.Seq2SeqTrainingArguments):
    """Both kinds of fields."""


class Seq2Seq(Trainer, transformers.Seq2SeqTrainer):
    """Both."""


def test_the_classes_mix_with_others_of_theirs(tmp_path: Path) -> None:
    settings = {**SETTINGS, "predict_with_generate": False, "optimizer": "Lion"}
    trainer = fit(Seq2SeqArguments(str(tmp_path), **settings), kind=Seq2Seq)
    assert type(optimizer_of(trainer)) is halflife.Lion


@pytest.mark.parametrize("module", ["arguments", "trainer"])
def test_the_examples_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(import_module(f"halflife.integrations.transformers.{module}"))
    assert (done.failed, done.attempted > 0) == (0, True)


def test_it_is_imported_by_whoever_asks_for_it() -> None:
    """And where it is missing, a sentence says what to install."""
    code = "import sys, halflife; assert 'transformers' not in sys.modules; sys.modules['transformers'] = None\n"
    code += "import halflife.integrations.transformers"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PATH}, check=False)
    assert "pip install 'transformers>=4.50' 'accelerate>=1.2'" in done.stderr.splitlines()[-1]
