"""``halflife study``: run a study or a reproduction, show what it found."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from ..lab import (
    OPTIMIZER_SPECS,
    ExecutionConfig,
    Outcome,
    Result,
    Settings,
    StudyError,
    plan,
    run_preset,
    run_study,
)
from ..lab.analysis import decision_words
from ..lab.api import settings_named
from ..lab.config.scales import settings_of
from ..lab.config.settings import LRS
from ..lab.models.fitting import MODELS
from ..lab.planning import limits_of, plan_words
from ..lab.problems import PROBLEMS
from ..lab.refinement import decision_of
from ..lab.reproductions import PRESETS, SCALES, scale_named
from ..lab.training.schedules import SCHEDULES
from .study_progress import reporter
from .study_table import meanings, results_table
from .terminal import PLAIN
from .terminal import console as terminal

_DEFAULT = Settings()
_OWN = "those of the scale or of the reproduction; of digits: "

Target = Annotated[
    str,
    typer.Argument(
        metavar="[PRESET|PROBLEM|my.py:problem]",
        help=f"A reproduction ({', '.join(PRESETS)}), a problem ({', '.join(PROBLEMS)}), or an object of your own: a "
        "halflife.lab.Problem, a function that returns one, or train(config) -> metrics.",
    ),
]
ScaleName = Annotated[
    str,
    typer.Option(
        "--scale",
        help=f"How much is trained: {', '.join(SCALES)}. smoke takes seconds, paper wants a GPU (--device cuda).",
    ),
]
Out = Annotated[Path, typer.Option(help="Folder of the results; what is in there already is not run again.")]
Executor = Annotated[
    str,
    typer.Option(
        help="vectorised: in stacks where a short trial says that it pays; processes: each network by itself; ray: on "
        "a Ray cluster; slurm: each network by itself, as a job under Slurm."
    ),
]
Workers = Annotated[
    int | None, typer.Option(show_default="as there are cores", help="Worker processes, or jobs at a time.")
]
Memory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", show_default="half of the machine's", help="Bound for all stacks, such as 8G, 500M."),
]
Address = Annotated[
    str | None, typer.Option(show_default="start one here", help="The Ray cluster's, such as auto or host:6379.")
]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        show_default="none",
        help="Of Slurm's jobs: partition=gpu, time=60 (minutes), cpus=2, gpus=1, mem=8G, …; cluster=local tries it "
        "here. May be given repeatedly.",
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(show_default="HALFLIFE_DATA, or downloads", help="Folder of the problem's files.")
]
Device = Annotated[
    str, typer.Option(help="Where each network is trained: cpu, or torch's name of a GPU; the workers share it.")
]
Model = Annotated[
    str | None, typer.Option(metavar="NAME", show_default="the problem's own", help=f"{', '.join(MODELS)}.")
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1,
        show_default=_OWN + str(_DEFAULT.seeds),
        help="Repetitions of every cell.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, show_default=_OWN + str(_DEFAULT.epochs), help="Passes through the training set.")
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, show_default=_OWN + str(_DEFAULT.batch_size), help="Samples in a step.")
]
Schedule = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_default=_OWN + _DEFAULT.schedule, help=f"Of the lr: {', '.join(SCHEDULES)}."),
]
Lrs = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        show_default=_OWN + ",".join(f"{lr:g}" for lr in LRS),
        help="Learning rates, separated by commas.",
    ),
]
Lambdas = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", show_default="each optimizer's own", help="Weight decays for all optimizers, with commas."
    ),
]
Optimizers = Annotated[
    list[str] | None,
    typer.Option(
        "--optimizer",
        metavar="NAME",
        show_default=_OWN + ", ".join(_DEFAULT.optimizers),
        help=f"{', '.join(OPTIMIZER_SPECS)}, or of a registered rule; one with decay and regularizer, as "
        "adamw:cautious or prox-adam:l1; my.py:MyOptimizer; torch.optim.AdamW. May be given repeatedly.",
    ),
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Say how many networks, how long and what cannot be identified; train nothing.")
]
Refine = Annotated[
    bool,
    typer.Option("--refine", help="Add cells where a best one lies at the grid's edge, and seeds where they decide."),
]
BudgetTime = Annotated[
    str | None,
    typer.Option("--budget", metavar="TIME", show_default="none", help="Stop after this time, such as 10m, 2h, 90s."),
]
Curves = Annotated[bool, typer.Option("--curves", help="Measure error and norm after every epoch, for the report.")]


def study(
    target: Target = "digits",
    scale: ScaleName = "small",
    out: Out = Path("halflife-study"),
    executor: Executor = "vectorised",
    workers: Workers = None,
    memory: Memory = None,
    address: Address = None,
    slurm: SlurmOptions = None,
    data_dir: DataDir = None,
    device: Device = "cpu",
    model: Model = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    schedule: Schedule = None,
    lrs: Lrs = None,
    lambdas: Lambdas = None,
    optimizer: Optimizers = None,
    curves: Curves = False,
    plan_only: PlanOnly = False,
    refine: Refine = False,
    budget: BudgetTime = None,
) -> None:
    """Train every lr × λ × seed and show how lr and λ are coupled. The same command again goes on where it stopped."""
    _study(**locals())


def _study(target: str, scale: str, out: Path, curves: bool, plan_only: bool, refine: bool, **options: Any) -> None:
    console = terminal()
    try:
        names = ("executor", "workers", "memory", "address", "slurm", "data_dir", "device", "budget")
        options["memory"] = _bytes(options["memory"])
        options["budget"] = _seconds(options["budget"])
        options["slurm"] = _pairs("--slurm", options["slurm"] or [])
        how = ExecutionConfig(**{name: options.pop(name) for name in names})
        given = _given(curves or None, **options)
        if plan_only:
            return _plan(console, target, scale, out, how, given)
        outcome = _run(console, target, scale, out, how, given, refine)
    except StudyError as error:
        _give_up(str(error), 2)
    except KeyboardInterrupt:
        _give_up(f"stopped; what was finished is in {out}, and the same command goes on from there.", 130)
    _show(console, outcome, out)


def _given(
    curves: bool | None, lrs: str | None, lambdas: str | None, optimizer: list[str] | None, **others: Any
) -> dict[str, Any]:
    """The settings that were given."""
    grids = {"lrs": _numbers("--lrs", lrs), "lams": _numbers("--lambdas", lambdas)}
    given = {**others, **grids, "optimizers": tuple(optimizer) if optimizer else None, "curves": curves}
    return {name: value for name, value in given.items() if value is not None}


def _plan(console: Console, target: str, scale: str, out: Path, how: ExecutionConfig, given: dict[str, Any]) -> None:
    """Of each study of a reproduction, or of the one."""
    for title, settings in settings_named(target, scale_named(scale), given).items():
        for line in plan_words(plan(settings, out, how)):
            console.print(f"{title}: {line}" if title else line, **PLAIN)


def _run(
    console: Console, target: str, scale: str, out: Path, how: ExecutionConfig, given: dict[str, Any], refine: bool
) -> Outcome:
    command = shlex.join(["halflife", *sys.argv[1:]])
    with reporter(console) as progress:
        if target in PRESETS:
            if refine:
                raise StudyError(f"{target} is a published setting: --refine would make another one of it.")
            return run_preset(target, scale_named(scale), out, progress, how, given, command)
        settings = settings_of(target, scale_named(scale), given)
        for remark in limits_of(settings):
            console.print(remark, **PLAIN)
        return run_study(settings, out, progress, how, command, refine)


def _show(console: Console, outcome: Outcome, out: Path) -> None:
    for result in outcome.results:
        title = f"{result.title}: " if len(outcome.results) > 1 else ""
        console.print(f"{title}{result.problem.description}.", **PLAIN)
        console.print(results_table(result))
        for line in meanings(result):
            console.print(line, **PLAIN)
        if not outcome.conclusion:
            _decide(console, result)
    if outcome.conclusion:
        holds = {True: "The claim holds", False: "The claim does not hold", None: "Undecided"}[outcome.conclusion.holds]
        console.print(f"{holds}. {outcome.conclusion.sentence}", style="bold", **PLAIN)
    pictures = ", ".join(map(str, outcome.pictures))
    for line in (f"results: {outcome.results[0].ledger}", f"pictures: {pictures}", f"report: halflife report {out}"):
        console.print(line, **PLAIN)


def _decide(console: Console, result: Result) -> None:
    """What to do, at the end, where it is looked for."""
    decision = decision_of(result)
    first, *more = decision_words(decision)
    console.print(first, style="bold", **PLAIN)
    for line in more:
        console.print(line, **PLAIN)
    if result.note:
        console.print(result.note, **PLAIN)
    if decision.is_open and "--refine" not in sys.argv:
        words = [word for word in ("cells" * bool(decision.edges), "seeds" * bool(decision.undecided)) if word]
        console.print(f"Next: the same command with --refine adds the {' and the '.join(words)}.", **PLAIN)


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise StudyError(f"{option} takes numbers separated by commas, such as 1e-3,1e-2, but got {text!r}.") from None


def _pairs(option: str, texts: list[str]) -> dict[str, str]:
    for text in texts:
        if not all(part.strip() for part in text.partition("=")):
            raise StudyError(f"{option} takes KEY=VALUE, such as partition=gpu or time=60, but got {text!r}.")
    return {key.strip(): value.strip() for key, _, value in (text.partition("=") for text in texts)}


def _bytes(text: str | None) -> int | None:
    """A size in bytes, with or without K, M, G."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in ("K", "M", "G") else (text, "")
    try:
        return int(float(number) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit])
    except (ValueError, OverflowError):
        raise StudyError(f"--memory takes a size such as 8G or 500M, but got {text!r}.") from None


def _seconds(text: str | None) -> float | None:
    """A time in seconds, with s, m or h."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].lower() in ("s", "m", "h") else (text, "s")
    try:
        return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        raise StudyError(f"--budget takes a time such as 10m, 2h or 90s, but got {text!r}.") from None


def _give_up(sentence: str, code: int) -> NoReturn:
    typer.echo(f"Error: {sentence}", err=True)
    raise typer.Exit(code)
