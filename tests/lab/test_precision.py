"""Forward passes in bfloat16, images with their channels last: near to fp32, weights in fp32, keys as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from halflife.lab import OPTIMIZER_SPECS, ExecutionConfig, Problem, Settings, Split, StudyError, run_study
from halflife.lab.config.task import training_of
from halflife.lab.execution import choose_mode
from halflife.lab.reproductions import PRESETS
from halflife.lab.reproductions.preset import check_scale
from halflife.lab.store.keys import Keys
from halflife.lab.training import Training, TrialBatch
from halflife.lab.training.sequential import SequentialTrainer, train_sequentially
from halflife.lab.training.training import Recipe

SEEN: list[tuple[torch.dtype, bool]] = []


class Watched(nn.Conv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output = super().forward(input)
        SEEN.append((output.dtype, input.is_contiguous(memory_format=torch.channels_last)))
        return output


def images() -> Problem:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, 8, 8, generator=draw)
    split = Split(x, (x.mean((1, 2, 3)) > 0).long())
    net = lambda: nn.Sequential(Watched(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))  # noqa: E731
    return Problem("images", "made here", split, split, split, net)


def trained(precision: str, lam: float = 0.1) -> tuple[float, float]:
    problem = images()
    training = Training(problem, problem.model, Recipe(6, 20, precision=precision))
    done = train_sequentially(training, TrialBatch(OPTIMIZER_SPECS["adamw-torch"], (3e-3,), (lam,), (0,)))
    return float(done.val.loss), float(done.weight_norm)


def test_it_is_bfloat16_with_channels_last_and_the_same_up_to_rounding() -> None:
    SEEN.clear()
    full = trained("fp32")
    assert SEEN[0] == (torch.float32, False)
    SEEN.clear()
    half = trained("bf16")
    assert set(SEEN) == {(torch.bfloat16, True)}
    assert half == pytest.approx(full, rel=0.02)
    assert half != full
    assert abs(trained("fp32", lam=10.0)[1] - full[1]) > 100 * abs(half[1] - full[1])  # and decay is seen in it


def test_weights_and_states_stay_in_fp32() -> None:
    problem = images()
    training = Training(problem, problem.model, Recipe(1, 20, precision="bf16"))
    trainer = SequentialTrainer(training, TrialBatch(OPTIMIZER_SPECS["adamw-torch"], (1e-3,), (0.1,), (0,)))
    list(trainer.steps())
    assert {w.dtype for w in trainer.model.parameters()} == {torch.float32}
    states = trainer.optimizer.state_dict()["state"].values()
    assert {x.dtype for state in states for x in state.values() if x.dim()} == {torch.float32}


def test_a_key_of_fp32_is_what_it_was_and_bf16_has_another() -> None:
    assert Recipe(1, 20).key == {
        "epochs": 1,
        "batch_size": 20,
        "schedule": "cosine",
        "loss_scale": 1.0,
        "curves": False,
    }
    assert repr(Recipe(1, 20)) == "Recipe(epochs=1, batch_size=20, schedule='cosine', loss_scale=1.0, curves=False)"
    keys = [Keys(training_of(s, ExecutionConfig()), s).common for s in (Settings(), Settings(precision="bf16"))]
    assert "precision" not in keys[0]["recipe"]
    assert keys[1]["recipe"]["precision"] == "bf16"
    assert "precision" not in Settings().stored
    assert Settings(precision="bf16").stored["precision"] == "bf16"


def test_no_stack_trains_in_bf16(tmp_path: Path) -> None:
    problem = images()
    training = Training(problem, problem.model, Recipe(1, 20, precision="bf16"))
    assert choose_mode(training, OPTIMIZER_SPECS["adamw-torch"]).way == "singly"
    tiny = {"optimizers": ("adamw-torch",), "lrs": (1e-3,), "lams": (0.1,), "seeds": 1, "epochs": 1, "batch_size": 20}
    run_study(Settings(problem, **tiny), tmp_path, how=ExecutionConfig(workers=1))
    again = run_study(Settings(problem, precision="bf16", **tiny), tmp_path, how=ExecutionConfig(workers=1))
    assert again.results[0].way.startswith("singly: in bf16")


def test_unknown_precisions_and_scales_are_said() -> None:
    with pytest.raises(StudyError, match="precision 'fp8' is not known; choose among fp32, bf16"):
        Settings(precision="fp8")
    with pytest.raises(StudyError, match="ridge has no scale 'medium'; choose among smoke, small, paper"):
        check_scale(PRESETS["ridge"], "medium")
    (study,) = PRESETS["blog-resnet20"].conditions("medium")
    assert (study.settings.model, study.settings.precision, study.settings.epochs) == ("resnet20-no-bn", "bf16", 30)
