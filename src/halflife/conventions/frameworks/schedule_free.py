"""Schedule-free AdamW."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="schedule-free",
    title="schedulefree.AdamWScheduleFree",
    update="d = g/(√v̂ + ε) + λy; y ← (1−c)y + cz + lr(β₁(1−c) − 1)d; z ← z − lr·d",
    source="schedulefree 1.4.1, adamw_schedulefree.py, measured",
    defaults=Settings(2.5e-3, 0.0),
    aliases=("schedulefree",),
    notes=("step() raises unless train() was called.",),
    beyond="it decays a point y between an average and the iterates z, so that no one weight is shrunk by a factor",
)
ALL = (ADAMW,)
