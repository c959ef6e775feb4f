"""One parameter stepped by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from ..engines import Work
from ..optim import Optimizer
from ..optim.groups import demands_of
from ..optim.restore import reform
from ..optim.stepping import Stepping

if TYPE_CHECKING:
    from ..optim.precision import LostDecays

NEED_ALL = {
    "max_grad_norm": "clips by the norm of all gradients",
    "skip_nonfinite": "decides on a step by all gradients",
}


class Lone:
    """What ``Stepping`` takes for an optimizer of this parameter alone, with the live group's settings and its state.

    The whole optimizer is only read, but for the parameter's own state: backward steps from several threads where the
    parameters lie on several devices.
    """

    def __init__(self, whole: Optimizer, index: int, p: Tensor, lost_decays: LostDecays) -> None:
        self.whole, self.index, self.params = whole, index, [p]
        self.stepping, self.memory = Stepping(), whole._memories.get(index)
        self.stepping.lost_decays = cast("LostDecays", _OfGroup(index, lost_decays))
        self.param_groups: list[dict[str, Any]] = []
        self._work, self._state_of = whole._work, whole._state_of

    def step(self) -> None:
        """One step, by the group's settings of this moment."""
        self.param_groups = [{**self.whole.param_groups[self.index], "params": self.params}]
        self.stepping.step(cast("Optimizer", self), self._judge)

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        return self.whole.state

    def _judge(self, *_: Any) -> float:
        if demands_of(self.whole) is not None:
            refuse_settings(self.whole.param_groups)
        return 1.0

    def _reform(self, _: int, group: dict[str, Any], work: Work) -> None:
        if self.memory not in (None, work.memory):
            reform(work, group, self.whole.state)
        self.memory = work.memory


class _OfGroup:
    """Warns of a lost decay for the group that the parameter is of, once for all of them."""

    def __init__(self, index: int, shared: LostDecays) -> None:
        self.index, self.shared = index, shared

    def look(self, _: int, work: Work, params: list[Tensor]) -> None:
        self.shared.look(self.index, work, params)


def refuse_settings(groups: list[dict[str, Any]]) -> None:
    """Raise ``ValueError`` for a setting that needs all gradients at once."""
    for group in groups:
        for name, what in NEED_ALL.items():
            if group.get(name):
                raise ValueError(
                    f"{name}={group[name]!r} {what}, and a step fused with backward never has them all; leave {name} "
                    "out, or do not fuse."
                )
