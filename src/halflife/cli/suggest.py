"""``halflife suggest``: a weight decay before anything is trained, and the study that would check it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ..conventions import SCHEDULES
from ..conventions import convert as converted
from ..lab.errors import StudyError
from ..lab.laws import SECOND_MOMENT
from ..lab.suggestion import Suggestion, TrainingSetup, Tuned, suggest
from .convert_table import show_all
from .wrapping import give_up, say

Rate = Annotated[float, typer.Option("--lr", help="The peak learning rate.")]
Batch = Annotated[float, typer.Option("--batch", help="Samples in a step, or with --tokens the tokens in a step.")]
Samples = Annotated[float | None, typer.Option("--samples", help="Samples in the training set.")]
Tokens = Annotated[float | None, typer.Option("--tokens", help="Distinct tokens in the training set, as 1e9.")]
Epochs = Annotated[float, typer.Option("--epochs", help="How often each is seen.")]
Params = Annotated[float | None, typer.Option("--params", help="Parameters of the model, as 125e6.")]
Shape = Annotated[str | None, typer.Option("--schedule", help=f"Of the lr, for --convert: {', '.join(SCHEDULES)}.")]
TunedLam = Annotated[float | None, typer.Option("--tuned-lambda", help="The best λ of a like training.")]
TunedRate = Annotated[float | None, typer.Option("--tuned-lr", help="That training's lr; --lr without it.")]
TunedBatch = Annotated[float | None, typer.Option("--tuned-batch", help="Its batch; --batch without it.")]
TunedData = Annotated[float | None, typer.Option("--tuned-data", help="Its samples or tokens; this one's without it.")]
TunedParams = Annotated[float | None, typer.Option("--tuned-params", help="Its parameters; --params without it.")]
Beta2 = Annotated[float, typer.Option("--tuned-beta2", help="Its β₂.")]


def suggest_decay(
    lr: Rate,
    batch: Batch,
    samples: Samples = None,
    tokens: Tokens = None,
    epochs: Epochs = 1.0,
    params: Params = None,
    schedule: Shape = None,
    tuned_lambda: TunedLam = None,
    tuned_lr: TunedRate = None,
    tuned_batch: TunedBatch = None,
    tuned_data: TunedData = None,
    tuned_params: TunedParams = None,
    tuned_beta2: Beta2 = 0.999,
) -> None:
    """Suggest λ (and β₂) for a training by the laws that are known: range, evidence, every convention, and a check."""
    try:
        if (samples is None) == (tokens is None):
            raise StudyError("one of --samples and --tokens is needed: how much there is to learn from.")
        run = TrainingSetup(lr, batch, samples or tokens or 0.0, epochs, params, tokens is not None)
        tuned = None
        if tuned_lambda is not None:
            before = TrainingSetup(
                tuned_lr or lr, tuned_batch or batch, tuned_data or run.data, 1.0, tuned_params or params, run.tokens
            )
            tuned = Tuned(before, tuned_lambda, tuned_beta2)
        elif any(one is not None for one in (tuned_lr, tuned_batch, tuned_data, tuned_params)):
            raise StudyError("--tuned-lr, --tuned-batch, --tuned-data and --tuned-params go with --tuned-lambda.")
        found = suggest(run, tuned)
        for line in suggestion_words(found):
            say(line)
        into = partial(converted, float(f"{found.lam:.3g}"), "torch", lr=lr, schedule=schedule, steps=run.steps)
        say("\nThe same λ in every convention:")
        show_all("torch", into)
    except (StudyError, ValueError) as error:
        give_up(str(error))
    say("\nA study that would check it, with your problem in my.py:")
    typer.echo(found.command)


def suggestion_words(found: Suggestion) -> list[str]:
    """The value, the range, β₂, and what each rests on."""
    lines = [
        f"λ {found.lam:.2g} in PyTorch's form, lr·λ {found.run.lr * found.lam:.2g}; the best one should lie in "
        f"{found.low:.2g} … {found.high:.2g}."
    ]
    lines += [f"{reason[0].upper()}{reason[1:]}" for reason in found.reasons]
    if found.beta2 is not None:
        lines.append(f"β₂ {found.beta2:.6g}: {SECOND_MOMENT.statement}.")
    for law in found.laws:
        lines.append(f"{law.name}: {law.equation}. {law.source}.{f' Here: {law.here}.' if law.here else ''}")
    lines.append("These laws are other people's measurements on other problems: a start for a study, not its result.")
    return lines
