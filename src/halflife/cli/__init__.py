"""``halflife study``, ``report``, ``export`` and ``import``, ``convert``, ``explain``, ``bench``, ``doctor``."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """What the ``halflife`` script runs. Without the lab's packages it says how to get them, and exits with 1.

    A letter that the terminal's encoding lacks, such as κ in Latin-1, is shown as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        from .app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or __name__).partition(".")[0]
        if package == __name__.partition(".")[0]:  # ours: a fault, and nothing to install
            raise
        sys.exit(f"Error: the command needs {package}, which is not installed: pip install 'halflife-optim[lab]'")
    app()
