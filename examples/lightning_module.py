"""A Lightning module: optimizer and schedule, and who clips

`configure_optimizers` returns an optimizer of halflife and a scheduler of torch as ever. Clipping can be Lightning's,
`Trainer(gradient_clip_val=…)`, or the optimizer's, `max_grad_norm=…`, which needs no pass of its own over the
gradients.

What to learn from it: both clip alike, to rounding; take one of them. Where both are given under
`precision="bf16-mixed"`, Lightning refuses. The schedule of λ is no scheduler of torch: step it in
`on_train_batch_end`, and keep it in the checkpoint by `on_save_checkpoint`; the resumed run then ends in the same
bits.

It needs `pip install lightning`.

    python examples/lightning_module.py            # 15 s; leaves last.ckpt here
    python examples/lightning_module.py --quick    # a smoke test: few steps

It prints:

    who clips                λ at the end    validation  from row 2  from row 3
    nobody                              1        92.0 %       5e-01       5e-01
    gradient_clip_val                   1        90.5 %       0e+00       6e-06
    max_grad_norm                       1        90.5 %       6e-06       0e+00
    max_grad_norm, resumed              1        90.5 %       6e-06       0e+00
"""

import argparse
import logging
import warnings
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import halflife
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong; clean ones to validate
CLIP = 0.5


class Classifier(LightningModule):
    """A perceptron, AdamW with λ on a schedule, one cycle of the learning rate."""

    def __init__(self, steps: int, max_grad_norm: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
        self.steps, self.max_grad_norm = steps, max_grad_norm
        self.wd = halflife.schedules.CosineWD(0.1, 1.0, steps)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """The loss."""
        return cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> dict[str, Any]:
        """Biases are not decayed; the schedule moves at every step."""
        groups = halflife.param_groups(self.net, weight_decay=self.wd)
        optimizer = halflife.AdamW(groups, lr=1e-2, max_grad_norm=self.max_grad_norm)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, self.steps, cycle_momentum=False)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_end(self, *_: Any) -> None:
        """Move λ."""
        self.wd.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where λ is."""
        checkpoint["wd"] = self.wd.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """And find it again."""
        self.wd.load_state_dict(checkpoint["wd"])


def fit(epochs: int, steps: int, ours: float | None, theirs: float | None, resume: str | None = None) -> Classifier:
    """Train to that epoch, from the start or from a checkpoint, and leave one in the working folder."""
    module = Classifier(steps, max_grad_norm=ours)
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", gradient_clip_val=theirs, **quiet)
    trainer.fit(module, DataLoader(TensorDataset(DATA.train.inputs, DATA.train.targets), 50), ckpt_path=resume)
    trainer.save_checkpoint("last.ckpt")
    return module


def main() -> None:
    """Nobody clips, Lightning does, the optimizer does, and again with a stop halfway."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    epochs = 2 if parser.parse_args().quick else 20
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # a network this small is fastest on one
    steps = epochs * 12
    cases = {"nobody": (None, None), "gradient_clip_val": (None, CLIP), "max_grad_norm": (CLIP, None)}
    ends = {name: fit(epochs, steps, *clips) for name, clips in cases.items()}
    fit(epochs // 2, steps, CLIP, None)
    ends["max_grad_norm, resumed"] = fit(epochs, steps, CLIP, None, resume="last.ckpt")
    weights = {name: nn.utils.parameters_to_vector(module.parameters()).detach() for name, module in ends.items()}
    print(f"{'who clips':<24}{'λ at the end':>13}{'validation':>14}{'from row 2':>12}{'from row 3':>12}")
    for name, module in ends.items():
        right = (module.net(DATA.val.inputs).argmax(-1) == DATA.val.targets).float().mean().item()
        apart = [(weights[name] - weights[other]).abs().max().item() for other in list(cases)[1:]]
        print(f"{name:<24}{module.wd.value:>13g}{100 * right:>12.1f} %{apart[0]:>12.0e}{apart[1]:>12.0e}")


if __name__ == "__main__":
    main()
