"""One framework, one file."""

from itertools import chain

from . import (
    apex,
    axlearn,
    bert,
    bitsandbytes,
    composer,
    deepspeed,
    fairseq,
    flashoptim,
    halflife,
    heavyball,
    huggingface,
    keras,
    loshchilov_hutter,
    optax,
    optimi,
    paper,
    pytorch_optimizer,
    schedule_free,
    tensorflow_addons,
    timm,
    torch,
    torchao,
    zhuang,
)

_MODULES = (
    *(torch, paper, loshchilov_hutter, zhuang, keras, tensorflow_addons, optax, axlearn),
    *(timm, optimi, pytorch_optimizer, heavyball, fairseq, huggingface, bert),
    *(apex, deepspeed, bitsandbytes, torchao, schedule_free, composer, flashoptim, halflife),
)
ALL = tuple(chain.from_iterable(module.ALL for module in _MODULES))
