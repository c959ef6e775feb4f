"""NVIDIA-NeMo/Emerging-Optimizers: one Muon, four decays."""

from dataclasses import replace

from ..convention import Convention, Settings
from ..framework_muon import MuonForm

METHODS = (
    "weight_decay_method is of all optimizers that orthogonalize, of Lion and of other elementwise ones, where it is "
    "'decoupled' by default too; here it is Muon's."
)
MUON = Convention(
    name="emerging-muon",
    title="emerging_optimizers' Muon, weight_decay_method='decoupled'",
    update="b ← μb + (1−μ)g, w ← (1 − lr·λ)w − lr·√max(A, B)·NS₅(b)",
    source="NVIDIA-NeMo/Emerging-Optimizers, mixin.py, orthogonalized_optimizers/muon.py; by its lines written out",
    defaults=Settings(3e-4, 1e-2, eps=1e-7, momentum=0.95),
    rule="muon",
    eps="clamped",
    aliases=("emerging", "emerging-optimizers"),
    spelling={"num_ns_steps": "steps", "extra_scale_factor": "extra_scale"},
    muon=MuonForm(
        scale="longest side",
        momentum_type="momentum",
        coefficients="quintic",
        scales={"longest side": "spectral", "original": "shape_scaling", "spectral_unclamped": "unit_rms_norm"},
        scale_flag="scale_mode",
        sets={"quintic": "quintic", "simple": "simple"},
        set_flag="coefficient_type",
    ),
    notes=(
        "The default, decoupled by the unadjusted lr, whatever scale_mode and extra_scale_factor.",
        "ε is fixed at 1e-7 there. Megatron-LM's Muon is this one with nesterov=True.",
        METHODS,
    ),
)
INDEPENDENT = replace(
    MUON,
    name="emerging-independent",
    title="emerging_optimizers' Muon, weight_decay_method='independent'",
    update="b ← μb + (1−μ)g, w ← (1 − λ)w − lr·√max(A, B)·NS₅(b)",
    factor="one",
    aliases=(),
    notes=("No schedule reaches the decay: it is not the paper's (1 − η·λ). The default λ = 0.01 removes 1 % a step.",),
)
L2 = replace(
    MUON,
    name="emerging-l2",
    title="emerging_optimizers' Muon, weight_decay_method='l2'",
    update="g ← g + λw, b ← μb + (1−μ)g, w ← w − lr·√max(A, B)·NS₅(b)",
    order="coupled",
    aliases=(),
    notes=("It writes g + λw into p.grad.",),
)
PALM = replace(
    MUON,
    name="emerging-palm",
    title="emerging_optimizers' Muon, weight_decay_method='palm'",
    update="b ← μb + (1−μ)g, w ← (1 − lr²·λ)w − lr·√max(A, B)·NS₅(b)",
    factor="lr*lr",
    aliases=(),
    notes=("lr² as it is in force, and not lr²/max_lr. Version 0.3.0 has it, older revisions not.",),
)
ALL = (MUON, INDEPENDENT, L2, PALM)
