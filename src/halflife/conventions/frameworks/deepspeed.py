"""DeepSpeed."""

from ..convention import Convention, Settings

NAME = 'The config\'s "Adam" is AdamW too, unless it says "adam_w_mode": false.'
FUSED = Convention(
    name="deepspeed-fused",
    title="DeepSpeed's FusedAdam (CUDA)",
    update="w ← w − lr(m̂/(√v̂ + ε) + λw)",
    source="deepspeed 0.19.8, csrc/adam/multi_tensor_adam.cu, mode 1; by its lines written out",
    defaults=Settings(1e-3, 0.0),
    aliases=("deepspeed",),
    notes=(NAME,),
)
CPU = Convention(
    name="deepspeed-cpu",
    title="DeepSpeedCPUAdam (adamw_mode, the default)",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="deepspeed 0.19.8, csrc/adam/cpu_adam_impl.cpp, run beside ours",
    defaults=Settings(1e-3, 0.0),
    amsgrad="it raises an error for it",
    notes=(NAME, "amsgrad is refused."),
)
RAW = Convention(
    name="deepspeed-cpu-uncorrected",
    title="DeepSpeedCPUAdam(bias_correction=False)",
    update="w ← (1 − lr·λ)w − lr·m/(√v + ε)",
    source=CPU.source,
    defaults=CPU.defaults,
    eps="uncorrected",
    bias="raw",
)
ALL = (FUSED, CPU, RAW)
