"""A rule's own text as one fused kernel: recorded line by line, written as C++, compiled where the tensors are.

recording.py   the four lines run over one coordinate's values leave lines and numbers
text.py        lines → C++, behind include/fused.hpp; one text for every processor
row.py         tensors that take the same numbers; table.py: all of a step's, and what each step brings
clock.py       step counts and the rule's own scalars
host.py        g++ at run time;  rtc.py: NVRTC, through cuda.core;  processor.py: what any processor is
selftest.py    a kernel's first use, beside foreach;  cache.py: compiled kernels on disk
fit.py         which tensors a kernel takes
"""

from .fit import obstacles
from .host import HostProcessor
from .host import is_wanted as is_wanted_on_the_cpu
from .processor import KernelError, Processor
from .rtc import GpuProcessor
from .rtc import obstacle as gpu_obstacle
from .selftest import tested_kernel
from .table import Table

__all__ = [
    "GpuProcessor",
    "HostProcessor",
    "KernelError",
    "Processor",
    "Table",
    "gpu_obstacle",
    "is_wanted_on_the_cpu",
    "obstacles",
    "tested_kernel",
]
