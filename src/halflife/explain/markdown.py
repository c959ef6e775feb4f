"""The pages of ``halflife explain`` in Markdown, for the documentation."""

from __future__ import annotations

from .markdown_paper import MarkdownPaper
from .pages import show


def markdown(name: str | None, decay: str | None = None) -> str:
    """The page that ``halflife explain NAME`` prints, in Markdown; of all names for None.

    Args:
        name: An optimizer, decay, regularizer, topic or registered rule, in any case.
        decay: Another treatment for an optimizer's or a rule's worked example.

    Returns:
        A page that begins with its heading of the first level.

    Raises:
        ValueError: For an unknown name or treatment; the message says what there is.
    """
    paper = MarkdownPaper()
    show(paper, name, decay)
    return paper.text()
