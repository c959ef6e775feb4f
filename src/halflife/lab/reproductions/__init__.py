"""Published claims, each with the study that tests it: ``halflife study NAME --scale small``."""

from __future__ import annotations

from .adamw_vs_proxadam import ADAMW_VS_PROXADAM
from .batch_size import BATCH_SIZE
from .batchnorm import BATCHNORM
from .blog_resnet20 import BLOG_RESNET20
from .decoupling import DECOUPLING
from .preset import SCALES, Conclusion, Condition, Preset, Scale, check_scale, scale_named
from .ridge import RIDGE
from .scale_free import SCALE_FREE
from .scarce_data import SCARCE_DATA
from .schedule import SCHEDULE
from .shake_shake import SHAKE_SHAKE
from .timescale import TIMESCALE

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        DECOUPLING,
        BATCHNORM,
        SCALE_FREE,
        ADAMW_VS_PROXADAM,
        BLOG_RESNET20,
        RIDGE,
        SHAKE_SHAKE,
        TIMESCALE,
        BATCH_SIZE,
        SCARCE_DATA,
        SCHEDULE,
    )
}

__all__ = ["PRESETS", "SCALES", "Conclusion", "Condition", "Preset", "Scale", "check_scale", "scale_named"]
