"""All commands together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from .. import __version__
from .bench import bench
from .convert import convert
from .doctor import doctor
from .examples import EXAMPLES, SUMMARY, load_rules
from .explain import explain
from .export import export, import_table
from .report import report
from .study import study
from .suggest import suggest_decay

_HYPHEN = "\0"  # at which no line is broken


class _Formatter(TyperCommand.context_class.formatter_class):
    """A help page whose lists are broken at blanks, not within names as shake-shake-26-2x32d."""

    def write(self, string: str) -> None:
        super().write(string.replace(_HYPHEN, "-"))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(name, text.replace("-", _HYPHEN)) for name, text in rows], col_max, col_spacing)


class _Context(TyperCommand.context_class):
    formatter_class = _Formatter


class _Command(TyperCommand):
    context_class = _Context


class _Group(TyperGroup):
    context_class = _Context


app = typer.Typer(
    name="halflife",
    cls=_Group,
    help=SUMMARY,
    epilog=f"\b\n{EXAMPLES}",  # \b: as it stands
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,  # errors as one plain line, not in a box
    pretty_exceptions_enable=False,
)


def _doctor(
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="Remove all compiled kernels, and end.")] = False,
) -> None:
    doctor(clear_cache)


_doctor.__doc__ = doctor.__doc__
for _name, _command in {
    "study": study,
    "report": report,
    "export": export,
    "import": import_table,
    "doctor": _doctor,
    "bench": bench,
    "explain": explain,
    "convert": convert,
    "suggest": suggest_decay,
}.items():
    app.command(_name, cls=_Command, short_help=_command.__doc__)(_command)  # in full, where click would cut it off


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halflife {__version__}")
        raise typer.Exit


@app.callback()
def _commands(  # pyright: ignore[reportUnusedFunction]
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Before any command: know the rules that other installed distributions register. Without one: help."""
    load_rules()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
