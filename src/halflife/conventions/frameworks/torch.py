"""PyTorch."""

from ..convention import Convention, Settings
from ..framework_muon import MuonForm

TORCH = Convention(
    name="torch",
    title="torch.optim.AdamW",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="torch 2.13.0, torch/optim/adamw.py: loop, foreach and fused, run beside ours",
    defaults=Settings(1e-3, 1e-2),
    amsgrad="max",
    aliases=("pytorch", "decoupled"),
    notes=("Adam(decoupled_weight_decay=True) is the same.", "amsgrad takes the maximum of v, then corrects its bias."),
)
ADAM = Convention(
    name="torch-adam",
    title="torch.optim.Adam (also torchao's, optimi's and flashoptim's Adam)",
    update="g ← g + λw, then w ← w − lr·m̂/(√v̂ + ε)",
    source="torch 2.13.0, torch/optim/adam.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    amsgrad="max",
    order="coupled",
    aliases=("adam-l2", "coupled"),
)
SGD = Convention(
    name="torch-sgd",
    title="torch.optim.SGD (also bitsandbytes' and flashoptim's)",
    update="g ← g + λw, b ← μb + g, w ← w − lr·b",
    source="torch 2.13.0, torch/optim/sgd.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    rule="sgd",
    order="coupled",
    notes=("The first b is g itself, whatever the dampening.",),
)
MUON = Convention(
    name="torch-muon",
    title="torch.optim.Muon (also torchtitan's DistMuon)",
    update="b ← μb + (1−μ)g, w ← (1 − lr·λ)w − lr·√max(1, A/B)·NS(μb + (1−μ)g)",
    source="torch 2.13.0, torch/optim/_muon.py, run beside ours",
    defaults=Settings(1e-3, 0.1, eps=1e-7, momentum=0.95),
    rule="muon",
    eps="clamped",
    aliases=("muon",),
    muon=MuonForm(
        scale="original",
        momentum_type="nesterov",
        coefficients="simple",
        scales={"original": "original", "match_rms_adamw": "match_rms_adamw"},
        scale_flag="adjust_lr_fn",
    ),
    notes=(
        "The decay has the unadjusted lr: adjust_lr_fn, 'original' or 'match_rms_adamw' (0.2·√max(A, B)), scales the "
        "step alone.",
        "NS iterates five times in bfloat16. adjust_lr_fn=None is 'original'.",
    ),
)
ALL = (TORCH, ADAM, SGD, MUON)
