"""torchtitan's default optimizer: what its parameter groups are made of."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="torchtitan",
    title="torchtitan's default_adamw, torch.optim.AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="torchtitan 0.3.0, components/optimizer/optimizer.py; torch's AdamW, run beside ours",
    defaults=Settings(8e-4, 0.1, betas=(0.9, 0.95)),
    amsgrad="max",
    notes=(
        "Its one group, pattern '.*', holds every parameter: norms, biases and embeddings decay as well.",
        "A ParamGroupConfig inherits nothing: one without weight_decay has torch's own, 0.01 of AdamW and 0 of Adam, "
        "which is coupled. The first pattern that matches a name takes it.",
        "implementation is 'fused', 'foreach' or 'for-loop', which are torch's; with 'fused_opt_states_bf16' the "
        "moments are bfloat16. Older revisions have one Config, of lr, eps and so on, for all parameters.",
        "Its DistMuon makes torch-muon's steps.",
    ),
)
ALL = (ADAMW,)
