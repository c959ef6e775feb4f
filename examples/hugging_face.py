"""Hugging Face's Trainer with an optimizer of halflife

Two ways. `optimizers=(optimizer, schedule)` of any Trainer takes an optimizer that you made, from `param_groups` for
instance. Or `halflife.integrations.transformers` has `TrainingArguments` with two more fields, `optimizer` and
`optimizer_args`, so that a file of arguments or a command line names it, and a `Trainer` that makes it.

What to learn from it: rows 1, 2 and 4 are the same numbers: torch's AdamW by the Trainer's own default, ours by the
first way and by the second. Without `no_decay` the first way would spare positions and the class token too. Row 3 has
λ without lr in it and states of one byte a number, row 5 L1 by a proximal step, whose zeros are exact. Clipping is
left to the Trainer's `max_grad_norm`. Over three other seeds row 1's loss goes from 1.77 to 1.82: row 3 is within
that.

The model is a small vision transformer made from a config: nothing is downloaded. It needs `pip install transformers
accelerate`.

    python examples/hugging_face.py            # 20 s
    python examples/hugging_face.py --quick    # a smoke test: few steps

It prints:

                                                   training loss    validation     zeros
    torch's AdamW                                        1.74521        79.5 %     0.0 %
    optimizers=(AdamW, …)                                1.74521        79.5 %     0.0 %
    optimizers=(AdamW, …), independent, 8-bit            1.76145        76.8 %     0.0 %
    optimizer="adamw"                                    1.74521        79.5 %     0.0 %
    optimizer="prox-adam", L1                            1.82490        67.7 %     4.1 %
"""

import argparse
import tempfile
from typing import Any

import torch
import transformers
from torch.optim.lr_scheduler import LRScheduler

import halflife
from halflife.integrations import transformers as by_name
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong; clean ones to validate
LR, WEIGHT_DECAY = 3e-3, 0.1


def rows(split: Any) -> list[dict[str, Any]]:
    """Samples as the Trainer wants them."""
    pixels = split.inputs.view(-1, 1, 8, 8)
    return [{"pixel_values": x, "labels": y} for x, y in zip(pixels, split.targets, strict=True)]


def network() -> transformers.PreTrainedModel:
    """A small ViT; two pixels are a patch's edge."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **sizes)
    return transformers.ViTForImageClassification(config)


def settings(folder: str, steps: int) -> dict[str, Any]:
    """The training arguments that all rows share."""
    of_training = {"max_steps": steps, "per_device_train_batch_size": 50, "learning_rate": LR, "max_grad_norm": 1.0}
    of_training |= {"weight_decay": WEIGHT_DECAY, "lr_scheduler_type": "cosine", "warmup_steps": 10}
    quiet = {"report_to": "none", "logging_strategy": "no", "save_strategy": "no", "disable_tqdm": True}
    return {"output_dir": folder, "use_cpu": True, **of_training, **quiet}


def trained(said: str, trainer: transformers.Trainer) -> None:
    """Train, evaluate, and print a line of the table."""
    trainer.remove_callback(transformers.PrinterCallback)
    loss = trainer.train().training_loss
    with torch.no_grad():
        outputs = trainer.model.eval()(DATA.val.inputs.view(-1, 1, 8, 8)).logits
        right = (outputs.argmax(-1) == DATA.val.targets).float().mean().item()
        weights = torch.cat([p.flatten() for p in trainer.model.parameters() if p.ndim == 2])
        zeros = (weights == 0).float().mean().item()
    print(f"{said:<46}{loss:>14.5f}{100 * right:>12.1f} %{100 * zeros:>8.1f} %", flush=True)


def by_optimizers(folder: str, steps: int, **options: Any) -> transformers.Trainer:
    """Their Trainer, given our optimizer and a schedule."""
    model = network()
    λ = options.pop("weight_decay", WEIGHT_DECAY)
    groups = halflife.param_groups(model, weight_decay=λ, no_decay=["bias", "norm"])  # as the Trainer spares them
    optimizer = halflife.AdamW(groups, lr=LR, **options)
    schedule: LRScheduler = transformers.get_cosine_schedule_with_warmup(optimizer, 10, steps)
    arguments = transformers.TrainingArguments(**settings(folder, steps))
    return transformers.Trainer(model, arguments, train_dataset=rows(DATA.train), optimizers=(optimizer, schedule))


def by_arguments(folder: str, steps: int, optimizer: str, **options: Any) -> transformers.Trainer:
    """Our Trainer, which makes the optimizer that its arguments name."""
    given = {**settings(folder, steps), "weight_decay": options.pop("weight_decay", WEIGHT_DECAY)}
    arguments = by_name.TrainingArguments(**given, optimizer=optimizer, optimizer_args=options)
    return by_name.Trainer(network(), arguments, train_dataset=rows(DATA.train))


def main() -> None:
    """Five trainings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    steps = 12 if parser.parse_args().quick else 240
    print(f"{'':<46}{'training loss':>14}{'validation':>14}{'zeros':>10}")
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(**settings(folder, steps))
        trained("torch's AdamW", transformers.Trainer(network(), arguments, train_dataset=rows(DATA.train)))
        trained("optimizers=(AdamW, …)", by_optimizers(folder, steps))
        paper = {"decay": "independent", "weight_decay": LR * WEIGHT_DECAY, "state_dtype": "8bit"}
        trained("optimizers=(AdamW, …), independent, 8-bit", by_optimizers(folder, steps, **paper))
        trained('optimizer="adamw"', by_arguments(folder, steps, "adamw"))
        sparse = {"regularizer": "l1", "weight_decay": 2e-4}
        trained('optimizer="prox-adam", L1', by_arguments(folder, steps, "prox-adam", **sparse))


if __name__ == "__main__":
    main()
