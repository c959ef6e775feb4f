"""What surrounds a step in training: the groups it is given, the numbers it is watched by, the backward it runs in."""

from .fusing import Fused, fuse_with_backward
from .grouping import ParamGroups, param_groups
from .monitor import Monitor
from .reading import Reading

__all__ = ["Fused", "Monitor", "ParamGroups", "Reading", "fuse_with_backward", "param_groups"]
