"""Who steps which parameter: the matrices inside a network by a rule such as Muon, all else by Adam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..parameters import NamedParameter, Pattern, check_patterns, first_match, matches, meaning
from ..registry import entry_named

Settings = dict[str, Any]

NO_MATRIX = ("bias", "norm", "embedding", "vector", "position", "token", "scale")
REST: Settings = {"rule": "Adam", "decay": "decoupled"}
"""What steps the rest: AdamW."""

AS_ADAMW: Settings = {"adjust_lr_fn": "match_rms_adamw"}
"""With this Muon's steps are as large as AdamW's, so that the lr and λ of the rest serve the matrices too."""

_HEADS = ("head", "classifier", "fc", "logits", "predictions", "output", "proj_out", "lm_head", "score")
_CONVOLUTIONS = nn.modules.conv._ConvNd  # pyright: ignore[reportPrivateUsage]


class Routing:
    """Two sets of settings, and for each parameter which of them is its own and why.

    ``matrix`` is the name of a rule, or a dict of settings with one under "rule"; ``head`` are patterns of what turns
    the last features into the result, which is a matrix and no inner one. Raises ``ValueError`` where ``head`` is None
    and cannot be told, with candidates.
    """

    def __init__(self, everything: Sequence[NamedParameter], matrix: Any, head: Any) -> None:
        own: Settings = {"rule": "Muon", **(matrix if isinstance(matrix, Mapping) else {"rule": matrix})}
        own["rule"] = _registered(own["rule"])
        self.own = {**(AS_ADAMW if own["rule"] == "Muon" and "lr" not in own else {}), **own}
        self.head: list[Pattern] = [head] if isinstance(head, str | type) else [*(head or ())]
        if head is None and not any(map(_is_tied_head, everything)):
            raise ValueError(_which_head(everything))
        check_patterns(self.head, everything, "head")

    def settings(self, named: NamedParameter) -> Settings:
        """The rule that steps this parameter, with its settings."""
        if self.reason(named) is not None:
            return dict(REST)
        return {**self.own, **_view(named)}

    def reason(self, named: NamedParameter) -> str | None:
        """Why a parameter is not one of the matrices inside; None for one that is."""
        kind = first_match(NO_MATRIX, named)
        if kind is not None:
            return meaning(kind)
        if named.dimensions is None:
            return "of unknown shape"
        return "the head" if any(matches(pattern, named) for pattern in self.head) else None


def _registered(rule: Any) -> str:
    """A rule's name as it is registered."""
    try:
        return entry_named(rule.__name__ if isinstance(rule, type) else str(rule)).name
    except KeyError as unknown:
        raise ValueError(f"matrix={rule!r}: {unknown.args[0]}.") from None


def _view(named: NamedParameter) -> Settings:
    """How a parameter of more than two dimensions is a matrix: a convolution's flattened, others' one by one."""
    if named.dimensions == 2:
        return {}
    convolution = any(isinstance(location.owner, _CONVOLUTIONS) for location in named.locations)
    return {"matrices": "flattened" if convolution else "stacked"}


def _is_tied_head(named: NamedParameter) -> bool:
    """An embedding that is also a layer's weight."""
    owners = [location.owner for location in named.locations]
    return any(isinstance(x, nn.Embedding) for x in owners) and any(isinstance(x, nn.Linear) for x in owners)


def _which_head(everything: Sequence[NamedParameter]) -> str:
    inner = [named.name for named in everything if named.dimensions not in (0, 1) and not first_match(NO_MATRIX, named)]
    called = [name for name in inner if any(word in name.split(".") for word in _HEADS)]
    near = list(dict.fromkeys([*called[-2:], *inner[-1:]]))
    named = " or ".join(repr(f"{name.rpartition('.')[0] or name}.*") for name in near)
    return (
        "matrix= sends the matrices inside a network to another rule, and the head, a matrix too, is not one of them; "
        f"its type does not tell it from others. Say which it is, head={named or repr('head.*')} perhaps, or head=() "
        "if there is none."
    )
