"""fairseq."""

from ..convention import Convention, Settings

ADAM = Convention(
    name="fairseq",
    title="fairseq's 'adam', which is an AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))",
    source="fairseq 0.12.2, fairseq/optim/adam.py, class Adam; by its lines, and its class by itself",
    defaults=Settings(1e-3, 0.0),
    eps="uncorrected",
    aliases=("fairseq-adam",),
    notes=(
        "On CUDA with apex another, fused class takes its place, which was not read.",
        "In the stored revision amsgrad does nothing: its maximum is never written back.",
    ),
)
ALL = (ADAM,)
