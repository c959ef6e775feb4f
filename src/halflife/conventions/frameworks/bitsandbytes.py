"""bitsandbytes: the order depends on the back end."""

from ..convention import Convention, Settings

NAME = "Adam(weight_decay=…) runs the same kernel, so it is decoupled as well, in 32 and 8 bits; amsgrad is ignored."
CPU = Convention(
    name="bitsandbytes-cpu",
    title="bitsandbytes on CPUs, and its default and triton back ends",
    update="w ← (1 − lr·λ)w − lr·m̂/(√v̂ + ε)",
    source="bitsandbytes 0.50.2, run on the CPU beside ours",
    defaults=Settings(1e-3, 1e-2),
    aliases=("bnb-cpu",),
    amsgrad="it takes amsgrad and ignores it",
    notes=(NAME,),
)
CUDA = Convention(
    name="bitsandbytes-cuda",
    title="bitsandbytes on CUDA",
    update="w ← (w − lr·m̂/(√v̂ + ε))(1 − lr·λ)",
    source="bitsandbytes 0.50.2, csrc/kernels.cu; by its lines written out",
    defaults=Settings(1e-3, 1e-2),
    order="after",
    aliases=("bitsandbytes", "bnb", "bnb-cuda"),
    amsgrad="it takes amsgrad and ignores it",
    notes=(NAME,),
)
ALL = (CPU, CUDA)
