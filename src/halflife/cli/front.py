"""The command where a package of the lab is missing: ``doctor``, ``explain`` and ``convert``, by argparse."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from .. import __version__
from ..explain.pages import show
from . import convert_table
from .doctor import doctor
from .examples import EXAMPLES, SUMMARY, load_rules
from .paper import TextPaper
from .wrapping import give_up, page_width

OTHERS = ("study", "report", "export", "import", "bench", "suggest")
LAB = "pip install 'halflife-optim[lab]'"


def main(missing: str) -> None:
    """Run one of the three commands; the others end with how to get the package that is missing, and 1."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in OTHERS:
        sys.exit(f"Error: halflife {arguments[0]} needs {missing}, which is not installed: {LAB}")
    parser = _parser(missing)
    given = parser.parse_args(arguments)
    load_rules()
    if given.command == "doctor":
        doctor(given.clear_cache)
    elif given.command == "explain":
        _explain(given.name, given.decay)
    elif given.command == "convert":
        _convert(given)
    else:
        parser.print_help()


def _parser(missing: str) -> ArgumentParser:
    others = f"{', '.join(OTHERS)} need {missing}: {LAB}"
    parser = ArgumentParser(
        "halflife",
        description=SUMMARY,
        epilog=f"{others}\n\n{EXAMPLES}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"halflife {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    one = commands.add_parser("doctor", help=doctor.__doc__, description=doctor.__doc__)
    one.add_argument("--clear-cache", action="store_true", help="Remove all compiled kernels, and end.")
    words = "Explain an optimizer, decay, regularizer or topic: equations, a worked first step, when to use it."
    two = commands.add_parser("explain", help=words, description=words)
    two.add_argument("name", nargs="?", metavar="NAME", help="in any case; without it, a list of all")
    two.add_argument("--decay", metavar="NAME", help="Work an optimizer's example under this treatment.")
    _add_convert(commands.add_parser("convert", help=convert_table.SUMMARY, description=convert_table.SUMMARY))
    return parser


def _add_convert(parser: ArgumentParser) -> None:
    said = convert_table.HELP
    parser.add_argument("weight_decay", type=float, metavar="WEIGHT_DECAY", help=said["weight_decay"])
    parser.add_argument("--from", dest="source", default="torch", metavar="NAME", help=f"{said['from']} [torch]")
    parser.add_argument("--to", dest="target", metavar="NAME", help=said["to"])
    for name in ("lr", "eps", "momentum"):
        parser.add_argument(f"--{name}", type=float, help=said[name])
    parser.add_argument("--steps", type=int, help=said["steps"])
    for name, form in (("betas", "β1,β2"), ("schedule", "NAME"), ("shape", "ROWS,COLUMNS")):
        parser.add_argument(f"--{name}", metavar=form, help=said[name])


def _explain(name: str | None, decay: str | None) -> None:
    try:
        show(TextPaper(page_width() or 100), name, decay)
    except ValueError as error:
        give_up(str(error))


def _convert(given: Namespace) -> None:
    numbers = (given.lr, given.eps, given.betas, given.momentum, given.schedule, given.steps, given.shape)
    convert_table.show_conversion(given.weight_decay, given.source, given.target, *numbers)
