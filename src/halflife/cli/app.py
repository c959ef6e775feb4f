"""All commands together."""

from __future__ import annotations

import typer

from .. import registry
from .bench import bench
from .convert import convert
from .doctor import doctor
from .explain import explain
from .export import export, import_table
from .report import report
from .study import study
from .suggest import suggest_decay

app = typer.Typer(
    name="halflife",
    help="PyTorch optimizers in which weight decay is done right, and the lab that shows how lr and λ are coupled.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # errors as one plain line, not in a box
    pretty_exceptions_enable=False,
)
app.command()(study)
app.command()(report)
app.command()(export)
app.command("import")(import_table)
app.command()(doctor)
app.command()(bench)
app.command()(explain)
app.command()(convert)
app.command("suggest")(suggest_decay)


@app.callback()
def _commands() -> None:  # pyright: ignore[reportUnusedFunction]
    """Before any command: know the rules that other installed distributions register."""
    try:
        registry.load_plugins()
    except Exception as error:  # whatever a stranger's module does when it is imported
        text = f"a distribution's rules (entry point halflife.rules) cannot be loaded ({type(error).__name__}: {error})"
        typer.echo(f"Warning: {text}; halflife goes on without them.", err=True)
