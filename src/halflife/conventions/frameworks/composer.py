"""MosaicML's Composer."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="composer",
    title="composer.optim.DecoupledAdamW",
    update="w ← (1 − λ·lr/initial_lr)w − lr·m̂/(√v̂ + ε)",
    source="mosaicml 0.32.1, composer/optim/decoupled_weight_decay.py; by its lines, and its class by itself",
    defaults=Settings(1e-3, 1e-5, betas=(0.9, 0.95)),
    amsgrad="max",
    factor="schedule",
    notes=("initial_lr is each group's, but OneCycleLR overwrites it; where it is 0, Composer takes the factor 1.",),
)
ALL = (ADAMW,)
