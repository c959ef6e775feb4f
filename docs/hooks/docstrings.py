"""The docstrings' reStructuredText as Markdown, for the API pages: literal blocks, roles, and examples."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")
_ALONE = re.compile(r"^( *)::$", re.MULTILINE)
_AT_THE_END = re.compile(r"(\S)::$", re.MULTILINE)
_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)


class Markdown(griffe.Extension):
    """What griffe asks for each object that it finds."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Say a docstring in Markdown; an indented block is code in both."""
    text = _ALONE.sub("", text)
    text = _AT_THE_END.sub(r"\1:", text)
    text = _EXAMPLE.sub(r"\1Examples:", text)
    return _ROLE.sub(r"`\1`", text)
