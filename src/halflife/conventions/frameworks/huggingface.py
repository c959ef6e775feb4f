"""Hugging Face transformers, whose own AdamW is gone since version 5."""

from ..convention import Convention, Settings

ADAMW = Convention(
    name="huggingface",
    title="transformers.AdamW, as it was",
    update="w ← w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ)), then w ← (1 − lr·λ)w",
    source="huggingface/transformers before 5, optimization.py; by its lines written out",
    defaults=Settings(1e-3, 0.0, eps=1e-6),
    order="after",
    eps="uncorrected",
    aliases=("hf", "transformers"),
)
RAW = Convention(
    name="huggingface-uncorrected",
    title="transformers.AdamW(correct_bias=False), as it was",
    update="w ← w − lr·m/(√v + ε), then w ← (1 − lr·λ)w",
    source=ADAMW.source,
    defaults=ADAMW.defaults,
    order="after",
    eps="uncorrected",
    bias="raw",
)
ALL = (ADAMW, RAW)
