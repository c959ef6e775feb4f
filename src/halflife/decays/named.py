"""The treatments that have a name."""

from __future__ import annotations

from .decay import Decay

NAMED: dict[str, Decay] = {
    "coupled": Decay("before", "none"),
    "decoupled": Decay("explicit", "lr"),
    "independent": Decay("explicit", "schedule"),
    "proximal": Decay("implicit", "schedule"),
    "proximal_lr": Decay("implicit", "lr"),
    "euclidean": Decay("implicit", "lr/metric"),
    "corrected": Decay("explicit", "lr*schedule"),
    "cautious": Decay("cautious", "lr"),
}
"""Who does what: ``coupled`` Adam's and SGD's ``weight_decay`` in torch; ``decoupled`` torch's AdamW; ``independent``
Loshchilov & Hutter 2019, Algorithm 2 (https://arxiv.org/abs/1711.05101); ``proximal`` ProxAdam (Zhuang et al. 2022,
https://arxiv.org/abs/2202.00089); ``proximal_lr`` Adan (https://arxiv.org/abs/2208.06677); ``euclidean`` the prox in
the Euclidean norm (Decay No More, ICLR blog posts 2023); ``corrected`` AdamC (Defazio 2025,
https://arxiv.org/abs/2506.02285); ``cautious`` cautious weight decay (2025, https://arxiv.org/abs/2510.12402)."""


def named(decay: str | Decay) -> Decay:
    """The treatment of that name; a ``Decay`` is returned as it is.

    Args:
        decay: one of ``NAMED``, or a ``Decay``.

    Returns:
        The treatment.

    Raises:
        ValueError: for anything else.

    Example:
        >>> from halflife.decays import named
        >>> print(named("decoupled"), named("independent"), named("euclidean"), sep="; ")
        explicit × lr; explicit × schedule; implicit × lr/metric
    """
    if isinstance(decay, Decay):
        return decay
    if not isinstance(decay, str) or decay not in NAMED:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"decay={decay!r} is not a treatment; choose one of {', '.join(map(repr, NAMED))}, "
            "or give halflife.Decay(placement, multiplier) for another cell of the table."
        )
    return NAMED[decay]
