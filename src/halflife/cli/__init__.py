"""``halflife study``, ``report``, ``export`` and ``import``, ``convert``, ``explain``, ``bench``, ``doctor``."""

from __future__ import annotations

from functools import partial

from .letters import spell_what_is_lacking


def main() -> None:
    """What the ``halflife`` script runs. Without the lab's packages it explains, and says how to get them for the rest.

    A letter that the terminal's encoding lacks is spelled, κ as kappa in Latin-1.
    """
    spell_what_is_lacking()
    try:
        from .app import app  # noqa: PLC0415

        command = partial(app, prog_name="halflife")
    except ModuleNotFoundError as error:
        package = (error.name or __name__).partition(".")[0]
        if package == __name__.partition(".")[0]:  # ours: a fault, and nothing to install
            raise
        from . import front  # noqa: PLC0415

        command = partial(front.main, package)
    command()
