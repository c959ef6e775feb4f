"""What learns in a study: one architecture, one file; ``lab.models.fitting`` fits them to a problem."""

from ...parameters import head_of
from .mlp import flat_mlp, mlp
from .resnet import resnet
from .shake_shake import shake_shake
from .transformer import transformer

__all__ = ["flat_mlp", "head_of", "mlp", "resnet", "shake_shake", "transformer"]
