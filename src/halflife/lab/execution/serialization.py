"""What workers are sent, as bytes: functions defined anywhere, and large tensors once for all workers."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import cloudpickle
import torch
from torch import Tensor

LARGE = 1 << 20
"""Bytes from which a tensor is put in a file of its own."""


def pack(thing: object, folder: Path) -> bytes:
    """Bytes that ``pickle.loads`` turns back into ``thing``, wherever its functions are defined.

    Large tensors lie in ``folder``, which must outlive their use: all who unpack them share the same pages of memory.
    """
    buffer = BytesIO()
    _Packer(buffer, folder).dump(thing)
    return buffer.getvalue()


class _Packer(cloudpickle.Pickler):
    def __init__(self, buffer: BytesIO, folder: Path) -> None:
        super().__init__(buffer)
        self.folder = folder

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor or obj.nbytes < LARGE or not _plain(obj):
            return super().reducer_override(obj)
        path = self.folder / f"tensor-{uuid4().hex}.bin"  # a job and each of its items are packed in the same folder
        obj.contiguous().flatten().view(torch.uint8).numpy().tofile(path)
        return _mapped, (str(path), obj.dtype, tuple(obj.shape))


def _plain(x: Tensor) -> bool:
    return x.is_cpu and x.layout == torch.strided and not x.requires_grad and not x.is_quantized


def _mapped(path: str, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """The file as a tensor; what one process writes into it no other sees."""
    size = torch.Size(shape).numel()
    return torch.from_file(path, shared=False, size=size, dtype=dtype).view(shape)
