"""What an optimizer says to ``torch.amp.GradScaler``: who divides the gradients by the loss scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class UnderScaler:
    """``_step_supports_amp_scaling``, by which a scaler leaves scale and verdict to ``step()``.

    True only where a step gains by that, as with torch's own if fused. Else the scaler divides the gradients itself and
    calls no step that is to be skipped, as trainers expect: Lightning clips for no optimizer that says True.
    """

    param_groups: list[dict[str, Any]]

    @property
    def _step_supports_amp_scaling(self) -> bool:
        return self.__dict__.get("_said_to_unscale", False) or any(map(_gains, self.param_groups[:1]))

    @_step_supports_amp_scaling.setter
    def _step_supports_amp_scaling(self, said: bool) -> None:
        """Torch's constructors do, for ``fused=True``."""
        self.__dict__["_said_to_unscale"] = said


def _gains(group: Mapping[str, Any]) -> bool:
    """It looks at all gradients anyway, or they may be half, which torch unscales not at all, and this in float32."""
    looks = group.get("max_grad_norm") is not None or group.get("skip_nonfinite") or group.get("fused")
    return bool(looks) or group.get("rounding", "nearest") != "nearest"
