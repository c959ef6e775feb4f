"""Apex, and those that call its formula: Megatron, Transformer Engine."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="apex",
    title="apex FusedAdam (adam_w_mode), Megatron, Transformer Engine",
    update="w ← w − lr(m̂/(√v̂ + ε) + λw)",
    source="NVIDIA/apex, csrc/multi_tensor_adam.cu, mode 1; by its lines written out",
    defaults=Settings(1e-3, 0.0),
    aliases=("megatron", "transformer-engine", "fusedadam"),
    amsgrad="FusedAdam raises an error for it",
    notes=("FusedAdam's adam_w_mode is True by default: its 'Adam' is an AdamW; amsgrad is refused.",),
)
ALL = (ADAMW,)
