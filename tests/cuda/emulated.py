"""The GPU's half of the generated kernels, run by threads of the CPU."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from halflife.engines.cuda import cache as disk
from halflife.engines.cuda.text import KERNEL, SIGNATURES, source

FLAGS = ("-std=c++20", "-O1", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-pthread", "-fopenmp")
LIBRARY = (*FLAGS, "-fPIC", "-shared", "-w", "-x", "c++", "-")
KINDS = {"address": ctypes.c_void_p, "int32": ctypes.c_int32, "int64": ctypes.c_int64}
HEADER = Path(__file__).with_name("emulated.hpp")


class Processor:
    """A processor as the engine has them, with either half; every operation is rounded by itself in both."""

    part = 2048
    device = torch.device("cpu")

    def __init__(self, half: str) -> None:
        self.name = self.half = half

    @property
    def key(self) -> tuple[str, ...]:
        return (*LIBRARY, self.half, HEADER.read_text(encoding="utf-8"))

    def kernel(self, text: str, name: str) -> Any:
        function = compiled(gpu_text(text, name) if self.half == "gpu" else source(text, self.part), name, self.half)
        return function, name

    def upload(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        return torch.from_numpy(array)

    def launch(self, kernel: Any, size: int, arguments: Sequence[int]) -> None:
        function, name = kernel
        if self.half == "gpu":
            function(*arguments, size if name == KERNEL else -(-size // 128))
        else:
            function(*arguments, *((1,) if name == KERNEL else ()))


def for_the_cpu(text: str) -> str:
    """What NVRTC is given, in words that g++ knows."""
    body = re.sub(r"#include <\w+>\n", "", source(text, Processor.part))
    body = re.sub(r'asm\("([\w.]+) %0, %1(?:, %2)?;" : "=\w"\((\w+)\) : (.*)\);', _called, body)
    assert 'asm("' not in body.replace('asm("" :', "")
    return HEADER.read_text(encoding="utf-8") + body


def gpu_text(text: str, name: str) -> str:
    """The kernel, and a function that runs it for all blocks."""
    names = [f"a{k}" for k in range(len(SIGNATURES[name]))]
    types = {"address": "const void *", "int32": "int ", "int64": "int64_t "}
    given = ", ".join(types[kind] + x for kind, x in zip(SIGNATURES[name], names, strict=True))
    any_pointer = "emulated_any{(uint64_t)%s}"
    kinds = zip(SIGNATURES[name], names, strict=True)
    cast = ", ".join(any_pointer % x if kind == "address" else x for kind, x in kinds)
    return f"""{for_the_cpu(text)}
struct emulated_any {{ uint64_t at; template <class P> operator P *() const {{ return reinterpret_cast<P *>(at); }} }};
extern "C" void {name}_blocks({given}, int blocks) {{
    emulated::blocks(blocks, [&] {{ {name}_::{name}({cast}); }});
}}
"""


def _called(match: re.Match[str]) -> str:
    operands = ", ".join(re.findall(r'"\w"\((.*?)\)(?:, |$)', match[3]))
    return f"{match[2]} = emulated::{match[1].replace('.', '_')}({operands});"


def compiled_text(text: str) -> str:
    """The library of a text behind the GPU's half."""
    return library_of(for_the_cpu(text))


def library_of(text: str) -> str:
    def make(to: Path) -> None:
        subprocess.run(["g++", *LIBRARY, "-o", str(to)], input=text, text=True, check=True, encoding="utf-8")

    return str(disk.artifact([text, *LIBRARY], ".so", make))


@cache
def compiled(text: str, name: str, half: str) -> Any:
    function = getattr(ctypes.CDLL(library_of(text)), f"{name}_blocks" if half == "gpu" else name)
    extra = [ctypes.c_int] if half == "gpu" or name == KERNEL else []
    function.restype, function.argtypes = None, [*(KINDS[kind] for kind in SIGNATURES[name]), *extra]
    return function
