"""``halflife study``: run a study or a reproduction, show what it found."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

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
from ..lab.analysis.scaling import scaling_words, scalings
from ..lab.api import FORMATS, check_formats, settings_named
from ..lab.config.axis import FORM, Axis
from ..lab.config.keywords import OF_SETTINGS
from ..lab.config.scales import settings_of
from ..lab.config.settings import LRS
from ..lab.models.fitting import MODELS
from ..lab.planning import limits_of, plan_words
from ..lab.problems import PROBLEMS
from ..lab.refinement import decision_of
from ..lab.reproductions import PRESETS, SCALES, Scale, scale_named
from ..lab.training.schedules import SCHEDULES
from .study_progress import reporter
from .study_table import meanings, results_table
from .terminal import console as terminal
from .terminal import show_table, tell
from .wrapping import give_up

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
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default=_OWN + "fp32",
        help="fp32, or bf16: forward passes in bfloat16, images with channels last, weights and optimizer in fp32.",
    ),
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
Head = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        show_default="what the model says",
        help="Of muon: the names of the model's last layer, such as 'classify.*', which AdamW steps as it does "
        "embeddings, norms and biases. May be given repeatedly.",
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
AxisText = Annotated[
    str | None,
    typer.Option(
        "--axis",
        metavar="NAME=VALUES",
        show_default="none",
        help=f"A third axis, such as {FORM}: {', '.join(OF_SETTINGS).replace('_', '-')}, or a keyword of the model or "
        "the problem, such as width.",
    ),
]
Formats = Annotated[
    str, typer.Option("--pictures", metavar="LIST", help=f"What the pictures are written as: {', '.join(FORMATS)}.")
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
    axis: AxisText = None,
    pictures: Formats = "png",
    precision: Precision = None,
    head: Head = None,
) -> None:
    """Train every lr × λ × seed and show how lr and λ are coupled. The same command again goes on where it stopped."""
    _study(**locals())


class Asked(NamedTuple):
    """What is to be run, and where its results go."""

    target: str
    scale: Scale
    out: Path
    refine: bool
    axis: Axis | None
    formats: tuple[str, ...]


def _study(
    target: str,
    scale: str,
    out: Path,
    curves: bool,
    plan_only: bool,
    refine: bool,
    axis: str | None,
    pictures: str,
    **options: Any,
) -> None:
    console = terminal()
    try:
        along = None if axis is None else _axis(axis, target)
        formats = tuple(check_formats([part.strip() for part in pictures.split(",")]))
        asked = Asked(target, scale_named(scale), out, refine, along, formats)
        names = ("executor", "workers", "memory", "address", "data_dir", "device", "budget", "slurm")
        options["memory"] = _bytes(options["memory"])
        options["budget"] = _seconds(options["budget"])
        options["slurm"] = _pairs("--slurm", options["slurm"] or [])
        how = ExecutionConfig(**{name: options.pop(name) for name in names})
        given = _given(curves or None, **options)
        if plan_only:
            return _plan(console, settings_named(target, asked.scale, given, along), out, how)
        outcome = _run(console, asked, how, given)
    except StudyError as error:
        give_up(str(error))
    except KeyboardInterrupt:
        give_up(f"stopped; what was finished is in {out}, and the same command goes on from there.", 130)
    _show(console, outcome, out)


def _given(
    curves: bool | None, lrs: str | None, lambdas: str | None, optimizer: list[str] | None, **others: Any
) -> dict[str, Any]:
    """The settings that were given."""
    grids = {"lrs": _numbers("--lrs", lrs), "lams": _numbers("--lambdas", lambdas)}
    given = {**others, **grids, "optimizers": tuple(optimizer) if optimizer else None, "curves": curves}
    given["head"] = tuple(others["head"] or ()) or None
    return {name: value for name, value in given.items() if value is not None}


def _axis(text: str, target: str) -> Axis:
    if target in PRESETS:
        raise StudyError(f"{target} is a published setting: --axis would make another one of it; name a problem.")
    return Axis.read(text)


def _plan(console: Console, studies: Mapping[str, Settings], out: Path, how: ExecutionConfig) -> None:
    """Of each study of a reproduction, of each point of an axis, or of the one."""
    for title, settings in studies.items():
        for line in plan_words(plan(settings, out, how)):
            tell(console, f"{title}: {line}" if title else line)


def _run(console: Console, asked: Asked, how: ExecutionConfig, given: dict[str, Any]) -> Outcome:
    command = shlex.join(["halflife", *sys.argv[1:]])
    with reporter(console) as progress:
        if asked.target in PRESETS:
            if asked.refine:
                raise StudyError(f"{asked.target} is a published setting: --refine would make another one of it.")
            return run_preset(asked.target, asked.scale, asked.out, progress, how, given, command, asked.formats)
        settings = settings_of(asked.target, asked.scale, given)
        for remark in limits_of(settings):
            tell(console, remark)
        return run_study(settings, asked.out, progress, how, command, asked.refine, asked.axis, asked.formats)


def _show(console: Console, outcome: Outcome, out: Path) -> None:
    for result in outcome.results:
        title = f"{result.title}: " if len(outcome.results) > 1 else ""
        tell(console, f"{title}{result.problem.description}.")
        show_table(console, results_table(result))
        for line in meanings(result):
            tell(console, line)
        if not outcome.conclusion:
            _decide(console, result)
    for scaling in scalings(outcome.results):
        for line in scaling_words(scaling):
            tell(console, line)
    if outcome.conclusion:
        holds = {True: "The claim holds", False: "The claim does not hold", None: "Undecided"}[outcome.conclusion.holds]
        tell(console, f"{holds}. {outcome.conclusion.sentence}", "bold")
    pictures = ", ".join(map(str, outcome.pictures))
    for line in (f"results: {outcome.results[0].ledger}", f"pictures: {pictures}", f"report: halflife report {out}"):
        tell(console, line)


def _decide(console: Console, result: Result) -> None:
    """What to do, at the end, where it is looked for."""
    decision = decision_of(result)
    first, *more = decision_words(decision)
    tell(console, first, "bold")
    for line in more:
        tell(console, line)
    if result.note:
        tell(console, result.note)
    if decision.is_open and "--refine" not in sys.argv and result.point is None:
        words = [word for word in ("cells" * bool(decision.edges), "seeds" * bool(decision.undecided)) if word]
        tell(console, f"Next: the same command with --refine adds the {' and the '.join(words)}.")


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
