"""``python -m halflife.explain`` prints the guide."""

import sys

from .guide import guide

sys.stdout.buffer.write(guide().encode())
