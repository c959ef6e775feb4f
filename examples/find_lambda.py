"""Find your λ: from a paper's recipe, over its half-life, to a small study of your own problem

Three questions in the order in which they cost. What does the λ of a recipe mean in the convention that I use?
`convert` answers by algebra. In how many epochs does it forget? `describe` says the half-life: the recipe's number
keeps its meaning only if that is carried over, and it changes with lr, batch and data. Which λ is best here?
`halflife.lab` trains a small grid of your own model, over several seeds, and ends in the line to paste.

What to learn from it: the recipe's λ = 0.05 at lr 1e-3 forgets half in 13,863 steps, so in a run of 360 it does next
to nothing, and `describe` says so. Of the three λ tried the study takes one ten times as large, and says how surely:
three seeds do not tell four cells apart. It also names the edge of the grid at which to look next.

    python examples/find_lambda.py            # 30 s
    python examples/find_lambda.py --quick    # a smoke test: a smaller grid

It prints:

    torch's 0.05 at lr 1e-3 is in paper: λ = 5e-05, exact
    torch's 0.05 at lr 1e-3 is in keras: λ = 0.05, approximate
    torch's 0.05 at lr 1e-3 is in zhuang-prox: λ = 5.00025e-05, exact
    torch's 0.05 at lr 1e-3 is in torch-adam: impossible
    here its half-life is 13,863 steps or 1,155 epochs
    warning: the half-life of 1.386e+04 steps is longer than the run of 360: λ does little in it
    validation      λ 0.05      λ 0.5        λ 5
    lr 0.003         7.8 %      8.7 %     23.4 %
    lr 0.01          9.4 %      7.2 %     28.1 %
    Use halflife.AdamW(model.parameters(), lr=0.01, weight_decay=0.5)
    Test error 7.5 ± 0.8 %, of the cell that validation chose.
    Without decay Adam's best validation error is 7.9 %: decay gains 0.8 points.
    As good, for all these seeds tell: lr 0.003 … 0.01 with λ 0.05 … 0.5, 4 cells.
    The best lr of AdamW, 0.01, is the largest tried: a larger one may be better.
"""

import argparse
import tempfile
from pathlib import Path

from torch import nn

import halflife
from halflife.conventions import convert
from halflife.lab import Problem, Settings, run_study
from halflife.lab.analysis import decide, decision_words
from halflife.lab.problems import digits

DATA = digits()
BATCH, EPOCHS = 50, 30


def model() -> nn.Module:
    """Your network."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def convert_the_recipe() -> None:
    """A paper trained by torch's AdamW, λ = 0.05 at lr 1e-3: what is that elsewhere?"""
    for target in ("paper", "keras", "zhuang-prox", "torch-adam"):
        found = convert(0.05, source="torch", target=target, lr=1e-3)
        λ = "" if found.settings is None else f"λ = {found.settings.weight_decay:.6g}, "
        print(f"torch's 0.05 at lr 1e-3 is in {target}: {λ}{found.verdict}")


def describe_it_here() -> None:
    """How long does it remember in this run?"""
    optimizer = halflife.AdamW(halflife.param_groups(model(), weight_decay=0.05), lr=1e-3)
    steps = len(DATA.train) // BATCH
    group = halflife.describe(optimizer, steps_per_epoch=steps, total_steps=EPOCHS * steps).groups[0]
    print(f"here its half-life is {group.half_life:,.0f} steps or {group.half_life_epochs:,.0f} epochs")
    print(f"warning: {group.warnings[0]}")


def study(lams: tuple[float, ...], seeds: int) -> None:
    """A grid of lr × λ on your own data, and what to do."""
    problem = Problem("mine", "my 600 images", DATA.train, DATA.val, DATA.test, model=model)
    settings = Settings(
        problem, optimizers=("adamw",), lrs=(3e-3, 1e-2), lams=lams, seeds=seeds, epochs=EPOCHS, batch_size=BATCH
    )
    with tempfile.TemporaryDirectory() as folder:
        result = run_study(settings, Path(folder)).results[0]
    found = result.leader
    print(f"{'validation':<11}" + "".join(f"{f'λ {λ:g}':>11}" for λ in found.lams))
    for name, row in zip(found.lrs, found.val.mean(0), strict=True):
        print(f"lr {name:<8g}" + "".join(f"{100 * error:>9.1f} %" for error in row))
    for line in decision_words(decide(result.findings, result.baseline)):
        print(line)


def main() -> None:
    """All three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    quick = parser.parse_args().quick
    convert_the_recipe()
    describe_it_here()
    study((0.1, 1.0) if quick else (0.05, 0.5, 5.0), seeds=2 if quick else 3)


if __name__ == "__main__":
    main()
