"""halflife: PyTorch optimizers in which weight decay is done right.

An optimizer is rule × decay × regularizer: how a gradient becomes a direction, how λ enters, what is decayed.
``import halflife as optim`` may stand where ``from torch import optim`` stood: what is not ours here is torch's own.
"""

import sys
from typing import TYPE_CHECKING

import torch.optim

from . import conventions, regularizers, rules, schedules
from .by_name import create_optimizer, list_optimizers
from .conventions import HalfLife, Normalized, Timescale, describe
from .decays import Decay
from .optim import Optimizer
from .optimizers import (
    ASGD,
    LBFGS,
    SGD,
    SGDW,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamL2,
    AdamP,
    AdamW,
    Lion,
    Muon,
    NAdam,
    ProxAdam,
    ProxSGD,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
)
from .training import Monitor, fuse_with_backward, param_groups

if TYPE_CHECKING:
    from torch.optim import lr_scheduler as lr_scheduler
    from torch.optim import swa_utils as swa_utils
    from torch.optim import swap_in_optimizer_params_and_state as swap_in_optimizer_params_and_state
else:

    def __getattr__(name: str) -> object:
        """Return torch.optim's own of that name; the installed torch says which there are."""
        if name in torch.optim.__all__:
            return getattr(torch.optim, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *torch.optim.__all__})


__version__ = "0.1.0"

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "SGDW",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamL2",
    "AdamP",
    "AdamW",
    "Adamax",
    "Decay",
    "HalfLife",
    "Lion",
    "Monitor",
    "Muon",
    "NAdam",
    "Normalized",
    "Optimizer",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "Timescale",
    "__version__",
    "conventions",
    "create_optimizer",
    "describe",
    "fuse_with_backward",
    "list_optimizers",
    "param_groups",
    "regularizers",
    "rules",
    "schedules",
]
