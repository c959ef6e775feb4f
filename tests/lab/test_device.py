"""A training follows its device: shown on one made of Python (``elsewhere.py``), in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

from halflife.lab import ExecutionConfig, StudyError
from halflife.lab.api import _more
from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.execution import choose_mode
from halflife.lab.reproductions import PRESETS
from halflife.lab.training import Recipe, Training

from .training_cases import training


@pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="torch is too old for it"
)
def test_elsewhere_comes_out_as_here() -> None:
    script = Path(__file__).with_name("elsewhere.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 10
    assert found.pop("magnitudes") == 0
    assert max(found.values()) < 1e-4, found


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(StudyError, match=r"there is no device 'cuda' here \(.*\); leave --device out to use the CPU"):
        ExecutionConfig(device="cuda")
    with pytest.raises(StudyError, match="there is no device 'gpu' here"):
        ExecutionConfig(device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_on_ray_the_driver_need_not_have_it_and_then_draws_nothing_with_it() -> None:
    how = ExecutionConfig("ray", device="cuda")
    assert how.lacks_device
    assert list(_more(PRESETS["batchnorm"], [], how)) == []


def test_away_from_the_cpu_nothing_is_stacked() -> None:
    one = training()
    verdict = choose_mode(Training(one.problem, one.model, Recipe(1, 8), "cuda"), OPTIMIZER_SPECS["adamw-paper"])
    assert verdict[:2] == ("singly", "stacks are for CPUs, and this is trained on cuda")
