"""halflife: PyTorch optimizers in which weight decay is done right.

An optimizer is rule × decay × regularizer: how a gradient becomes a direction, how λ enters, what is decayed.
``import halflife as optim`` may stand where ``from torch import optim`` stood: what is not ours here is torch's own.
"""

import sys
from typing import TYPE_CHECKING

import torch.optim

from . import conventions, regularizers, rules, schedules
from .conventions import HalfLife, Normalized, Timescale, describe
from .decays import Decay
from .optim import (
    ASGD,
    SGD,
    SGDW,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamL2,
    AdamP,
    AdamW,
    Lion,
    NAdam,
    Optimizer,
    ProxAdam,
    ProxSGD,
    RAdam,
    RMSprop,
    Rprop,
)
from .training import Monitor, fuse_with_backward, param_groups

if TYPE_CHECKING:
    from torch.optim import LBFGS as LBFGS
    from torch.optim import Adafactor as Adafactor
    from torch.optim import Muon as Muon
    from torch.optim import SparseAdam as SparseAdam
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
    "SGD",
    "SGDW",
    "Adadelta",
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
    "NAdam",
    "Normalized",
    "Optimizer",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Timescale",
    "__version__",
    "conventions",
    "describe",
    "fuse_with_backward",
    "param_groups",
    "regularizers",
    "rules",
    "schedules",
]
