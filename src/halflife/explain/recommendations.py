"""What holds for all of them."""

from __future__ import annotations

RECOMMENDATIONS: tuple[str, ...] = (
    "Start with AdamW; for convolutional networks on images try SGD with momentum 0.9 beside it; for exact zeros or "
    "bounds take ProxAdam.",
    "For the hidden matrices of a large network try Muon, with AdamW for the rest; where AdamW's states do not fit, "
    "Adafactor; for a smooth loss on whole batches, LBFGS.",
    "Begin with lr, by factors of 3, with warm-up and a cosine schedule; then λ, by factors of 3 to 10; then try lr "
    "anew around what was found, as the best lr and the best λ may hang together.",
    "Where decay is `decoupled`, a new lr is a new decay per step: lr·λ. Where it is `independent` or `proximal`, "
    "the decay per step stays as it is.",
    "That a form has no lr in its decay factor is algebra. Whether the best λ moves with lr is measured, and differs "
    "from problem to problem: `halflife study` measures it on yours.",
    "Leave biases and the scales of normalization layers undecayed: a parameter group with weight_decay=0.",
    "Compare optimizers each at its own best lr and λ, over several seeds: `halflife study` does that.",
)
