"""Hugging Face: halflife's optimizers by name in ``TrainingArguments``, and the Trainer that makes them.

What the Trainer does is its own: clipping by ``max_grad_norm``, the schedule of the learning rate, gradient
accumulation, checkpoints. Both classes mix with others of theirs: ``class Mine(Trainer, Seq2SeqTrainer)``.
"""

try:
    from .arguments import TrainingArguments
    from .trainer import Trainer
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise ImportError(
        "halflife.integrations.transformers needs Hugging Face's transformers and accelerate, and transformers is not "
        "installed: pip install 'transformers>=4.50' 'accelerate>=1.2'",
        name=error.name,
    ) from error

__all__ = ["Trainer", "TrainingArguments"]
