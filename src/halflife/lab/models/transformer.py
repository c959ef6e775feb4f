"""A small decoder transformer."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from ..errors import StudyError

DEVIATION = 0.02


def transformer(vocabulary: int, window: int, *, width: int = 128, depth: int = 4, heads: int = 4) -> nn.Module:
    """A decoder: learned embeddings of tokens and places, ``depth`` blocks of x + attention(norm x), x + mlp(norm x), a
    norm and a linear layer.

    Source: Radford et al. 2019 (GPT-2): norms in front, GELU, 4·width inside; weights normal with deviation 0.02, those
    that add to the stream of x divided by √(2·depth). Deviations: no dropout; embedding and last layer share nothing.

    Args:
        vocabulary: how many tokens there are.
        window: the most places.
        width, depth, heads: of the blocks.

    Returns:
        A network from tokens ``[batch, length ≤ window]`` to ``[batch, length, vocabulary]``, each from the tokens up
        to its own.

    Raises:
        StudyError: if the heads do not share the width evenly.

    Example:
        >>> from halflife.lab.models import transformer
        >>> transformer(65, 16, width=8, depth=1, heads=2)(torch.zeros(3, 16, dtype=torch.int64)).shape
        torch.Size([3, 16, 65])
    """
    if width % heads:
        raise StudyError(f"{heads} heads cannot share a width of {width}; choose a width that is a multiple of them.")
    return Transformer(vocabulary, window, width, depth, heads)


class Transformer(nn.Module):
    """What ``transformer`` describes."""

    def __init__(self, vocabulary: int, window: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(window, width)
        self.blocks = nn.Sequential(*(GridSpec(width, heads) for _ in range(depth)))
        self.predict = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False))
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=DEVIATION / (sqrt(2 * depth) if name.endswith("out.weight") else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def get_output_embeddings(self) -> nn.Module:
        """The last layer, as transformers' models say theirs."""
        return self.predict[-1]

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[-1], device=tokens.device)
        return self.predict(self.blocks(self.tokens(tokens) + self.places(places)))


class GridSpec(nn.Module):
    """x + attention(norm x), then x + mlp(norm x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.mlp = nn.Sequential(nn.LayerNorm(width), Mlp(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class Attention(nn.Module):
    """softmax(QKᵀ/√d + mask)V for each head, written out: not all fused kernels have a rule for ``vmap``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.take, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.take(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-2, -3)
        scores = q @ k.transpose(-1, -2) / sqrt(q.shape[-1])
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        return self.out((weights @ v).transpose(-2, -3).flatten(-2))


class Mlp(nn.Module):
    """Out(gelu(into(x))), four times as wide within."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.gelu, self.out = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.gelu(self.into(x)))
