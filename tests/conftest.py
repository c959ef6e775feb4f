"""One thread a test process: the tests run side by side, and torch's threads would spin against each other."""

import os
import tempfile

import pytest
import torch

from tests.torchvision_operators import mend_torchvision

mend_torchvision()
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
