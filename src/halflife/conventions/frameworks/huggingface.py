"""Hugging Face transformers: what its Trainer takes today, and its own AdamW, which is gone since version 5."""

from ..convention import Convention, Settings

TRAINER = Convention(
    name="huggingface",
    title="transformers.Trainer (optim='adamw_torch_fused')",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="transformers 5.24.0, training_args.py and trainer.py; torch's AdamW, run beside ours",
    defaults=Settings(5e-5, 0.0),
    aliases=("hf", "transformers", "trainer"),
    spelling={"learning_rate": "lr", "adam_beta1": "beta1", "adam_beta2": "beta2", "adam_epsilon": "eps"},
    notes=("The Trainer spares biases and norms; halflife.param_groups spares them too.",),
)
ADAMW = Convention(
    name="huggingface-former",
    title="transformers.AdamW, as it was",
    update="w ← w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ)), then w ← (1 − lr·λ)w",
    source="huggingface/transformers before 5, optimization.py; by its lines written out",
    defaults=Settings(1e-3, 0.0, eps=1e-6),
    order="after",
    eps="uncorrected",
    aliases=("hf-former",),
)
RAW = Convention(
    name="huggingface-former-uncorrected",
    title="transformers.AdamW(correct_bias=False), as it was",
    update="w ← w − lr·m/(√v + ε), then w ← (1 − lr·λ)w",
    source=ADAMW.source,
    defaults=ADAMW.defaults,
    order="after",
    eps="uncorrected",
    bias="raw",
    aliases=("huggingface-uncorrected",),
)
ALL = (TRAINER, ADAMW, RAW)
