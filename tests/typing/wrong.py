"""What a type checker refuses: each line says after ``# wrong:`` which word its one error names.

Where several arguments of one call are wrong, what only mypy goes on to name stands after ``|``.
"""

import torch

import halflife
from halflife import AdamW
from halflife.regularizers import L1

ps = [torch.nn.Parameter(torch.zeros(2))]


class Mine(AdamW, decay="proximal"):
    """A preset of one's own."""


AdamW(ps, weight_decy=0.1, decay="indep", regularizer=L1, rounding="kahn")  # wrong: weight_decy | indep, L1, rounding
AdamW(ps, weight_decy=0.1)  # wrong: weight_decy
AdamW(ps, decay="indep")  # wrong: indep
AdamW(ps, regularizer=L1)  # wrong: type[L1]
AdamW(ps, rounding="kahn")  # wrong: kahn
AdamW(ps, lr="1e-3")  # wrong: "lr"
AdamW(ps, lr=None)  # wrong: "lr"
AdamW(ps, betas=0.9)  # wrong: betas
AdamW(ps, weight_decay="0.1")  # wrong: weight_decay
AdamW(ps, state_dtype="bf16")  # wrong: bf16
AdamW(ps, engine="fast")  # wrong: fast
AdamW(ps, max_grad_norm="1")  # wrong: max_grad_norm
AdamW(ps, 1e-3, (0.9, 0.999), 1e-8, 0.01, False, True)  # wrong: positional
AdamW(torch.nn.Linear(1, 1))  # wrong: Linear
halflife.SGD(ps, eps_inside=True)  # wrong: eps_inside
halflife.ProxAdam(ps, rounding=None)  # wrong: rounding
halflife.Lion(ps, fused=True)  # wrong: fused
Mine(ps, weight_decy=1)  # wrong: weight_decy
halflife.AdmaW(ps)  # wrong: AdmaW
