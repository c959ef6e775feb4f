"""torchao."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="torchao",
    title="torchao.optim AdamW8bit, AdamW4bit, AdamWFp8",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε), in float32, rounded once",
    source="torchao 0.18.0, torchao/optim/adam.py, run beside ours",
    defaults=Settings(1e-3, 1e-2),
    amsgrad="max",
    notes=(
        "lr is a tensor in its groups: set it by fill_(), for a number raises.",
        "Its Adam8bit and the like are coupled: torch-adam.",
    ),
)
ALL = (ADAMW,)
