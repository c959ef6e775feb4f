"""microsoft/dion's Muon."""

from ..convention import Convention, Settings
from ..framework_muon import MuonForm

MUON = Convention(
    name="dion-muon",
    title="dion.Muon, of microsoft/dion",
    update="b ← μb + g, w ← (1 − lr·λ)w − lr·√(A/B)·NS₅(b)",
    source="microsoft/dion, dion/muon.py, a stored revision; by its lines written out",
    defaults=Settings(1e-2, 1e-2, eps=1e-8, momentum=0.95),
    rule="muon",
    eps="standard",
    aliases=("dion",),
    spelling={"mu": "momentum", "epsilon": "eps"},
    muon=MuonForm(
        scale="spectral_unclamped",
        momentum_type="momentum",
        coefficients="quintic",
        scales={"spectral_unclamped": "spectral_norm", "match_rms_adamw": "rms_norm", "none": None},
        scale_flag="adjust_lr",
        sets={"quintic": "quintic", "simple": "simple"},
        set_flag="newton_schulz_func",
        average="sum",
        matrices="stacked",
    ),
    notes=(
        "The decay has the unadjusted lr, whatever adjust_lr ('spectral_norm'; 'rms_norm', 0.2·√max(A, B); None, 1).",
        "nesterov is False by default: True steps by g + μb. b is a sum of gradients, so that ε stands beside a norm "
        "1/(1 − μ) times an average's. NS₅ takes five sets of coefficients, one an iteration, in bfloat16.",
        "newton_schulz_func, a function there, is a word here: 'simple' for PyTorch's one set five times over.",
        "Parameters of more than two dimensions are stacks of matrices, or with flatten=True one matrix.",
        "Groups with algorithm='adamw' or 'lion' decay by (1 − lr·λ) too, with the same λ unless it is given.",
    ),
)
ALL = (MUON,)
