"""What learns in a study: one architecture, one file; ``lab.fitting`` fits them to a problem."""

from .mlp import flat_mlp, mlp
from .resnet import resnet
from .shake_shake import shake_shake
from .transformer import transformer

__all__ = ["flat_mlp", "mlp", "resnet", "shake_shake", "transformer"]
