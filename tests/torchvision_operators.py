"""What torchvision needs to load beside a torch that it was not built for: in tests and in scripts that they start."""

from __future__ import annotations

from importlib.util import find_spec

import torch

OPERATORS = torch.library.Library("torchvision", "FRAGMENT")


def mend_torchvision() -> None:
    """Let it load also where it was built for another torch than is here, as PyPI's is for the one without CUDA.

    timm and the trainers import it, and need none of it here. It declares operators that its own library defines.
    """
    if find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401  # pyright: ignore
    except RuntimeError:
        for name in ("nms", "qnms"):
            OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
