"""BERT's own optimizer."""

from ..convention import Convention, Settings

BERT = Convention(
    name="bert",
    title="AdamWeightDecayOptimizer",
    update="w ← w − lr(m/(√v + ε) + λw), no bias correction",
    source="google-research/bert, optimization.py; by its lines written out",
    defaults=Settings(5e-5, 0.01, eps=1e-6),
    eps="uncorrected",
    bias="raw",
    notes=(
        "λ = 0.01 is create_optimizer's; it spares LayerNorm and biases.",
        "lr has no default there; 5e-5 is run_classifier's.",
    ),
)
ALL = (BERT,)
