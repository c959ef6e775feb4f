"""What both fronts of the command say first, and the rules of others that both know."""

from __future__ import annotations

import sys

from .. import registry

SUMMARY = "PyTorch optimizers in which weight decay is done right, and the lab that shows how lr and λ are coupled."

EXAMPLES = """Examples:
  halflife study
      train on digits, and see how lr and λ are coupled
  halflife study my.py:problem
      the same on a problem of your own
  halflife explain AdamW
      equations, a worked step, typical values
  halflife convert 0.01 --to keras --lr 1e-3
      the λ that does in Keras what 0.01 does in torch
  halflife doctor
      what this machine offers, and whether it works"""


def load_rules() -> None:
    """Know the rules that other installed distributions register, or say on standard error why not."""
    try:
        registry.load_plugins()
    except Exception as error:  # whatever a stranger's module does when it is imported
        text = f"a distribution's rules (entry point halflife.rules) cannot be loaded ({type(error).__name__}: {error})"
        print(f"Warning: {text}; halflife goes on without them.", file=sys.stderr)
