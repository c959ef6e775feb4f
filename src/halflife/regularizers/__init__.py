"""What is decayed: one function, one file, with its value, gradient and prox."""

from .box import Box, NonNegative
from .combine import OnSubset, Scaled, Sum
from .elastic_net import ElasticNet
from .group_lasso import GroupLasso
from .huber import Huber
from .l0 import L0
from .l1 import L1
from .l2 import L2
from .l_half import LHalf
from .regularizer import Regularizer, build
from .sphere import Sphere
from .toward_init import TowardInit

KNOWN: dict[str, type[Regularizer]] = {
    r.__name__: r
    for r in (
        L2,
        L1,
        ElasticNet,
        L0,
        LHalf,
        Huber,
        Box,
        NonNegative,
        TowardInit,
        GroupLasso,
        Sphere,
        Sum,
        Scaled,
        OnSubset,
    )
}
"""Every regularizer by the name that a checkpoint has for it."""

__all__ = [
    "KNOWN",
    "L0",
    "L1",
    "L2",
    "Box",
    "ElasticNet",
    "GroupLasso",
    "Huber",
    "LHalf",
    "NonNegative",
    "OnSubset",
    "Regularizer",
    "Scaled",
    "Sphere",
    "Sum",
    "TowardInit",
    "build",
]
