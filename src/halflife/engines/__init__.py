"""What runs an update: one machine, one file; ``choose`` picks one and says why."""

from .choose import ENGINES, Choice, Engine, choose
from .cuda import KernelError
from .global_gradient import GlobalGradOptions, StepDecision, StepGuard
from .grid import EagerGrid, Grid, NativeGrid, grid
from .group_step import GroupStep, Mode
from .memory import Memory
from .native_rows import static_key
from .native_table import Table, gradient_norm
from .trace import UntraceableError

__all__ = [
    "ENGINES",
    "Choice",
    "EagerGrid",
    "Engine",
    "GlobalGradOptions",
    "Grid",
    "GroupStep",
    "KernelError",
    "Memory",
    "Mode",
    "NativeGrid",
    "StepDecision",
    "StepGuard",
    "Table",
    "UntraceableError",
    "choose",
    "gradient_norm",
    "grid",
    "static_key",
]
