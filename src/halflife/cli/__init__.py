"""``halflife study``, ``report``, ``export`` and ``import``, ``convert``, ``explain``, ``bench``, ``doctor``."""

from __future__ import annotations

import sys

from .letters import spell_what_is_lacking


def main() -> None:
    """What the ``halflife`` script runs. Without the lab's packages it says how to get them, and exits with 1.

    A letter that the terminal's encoding lacks is spelled, κ as kappa in Latin-1.
    """
    spell_what_is_lacking()
    try:
        from .app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or __name__).partition(".")[0]
        if package == __name__.partition(".")[0]:  # ours: a fault, and nothing to install
            raise
        sys.exit(f"Error: the command needs {package}, which is not installed: pip install 'halflife-optim[lab]'")
    app()
