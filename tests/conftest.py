"""One thread a test process: the tests run side by side, and torch's threads would spin against each other."""

import os
import tempfile
from importlib.util import find_spec

import pytest
import torch

torch.set_num_threads(1)

for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
    os.environ.pop(name, None)  # what a user tells rich of the terminal is not for the outputs that are compared

KERNELS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """A run's processes share a cache of compiled kernels that begins empty: what a user has is not asked."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[KERNELS] = tempfile.TemporaryDirectory(prefix="halflife-kernels-")
        os.environ["HALFLIFE_CACHE"] = config.stash[KERNELS].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if KERNELS in config.stash:
        config.stash[KERNELS].cleanup()


OPERATORS = torch.library.Library("torchvision", "FRAGMENT")


def mend_torchvision() -> None:
    """Let it load also where it was built for another torch than is here, as PyPI's is for the one without CUDA.

    timm and the trainers import it, and need none of it here. It declares operators that its own library defines.
    """
    if find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401  # pyright: ignore
    except RuntimeError:
        for name in ("nms", "qnms"):
            OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


mend_torchvision()
