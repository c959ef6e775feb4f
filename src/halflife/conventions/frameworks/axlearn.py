"""AXLearn."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="axlearn",
    title="axlearn adamw_decoupled_optimizer",
    update="w ← w − η(α·m̂/(√v̂ + ε) + λw)",
    source="apple/axlearn, axlearn/common/optimizers.py; its chain run in optax beside ours",
    defaults=Settings(1e-3, 0.0),
    factor="schedule",
    spelling={"learning_rate": "lr", "b1": "beta1", "b2": "beta2"},
    notes=("α, λ and η are three arguments: Algorithm 2. The numbers have no defaults there, but λ = 0.",),
)
ALL = (ADAMW,)
