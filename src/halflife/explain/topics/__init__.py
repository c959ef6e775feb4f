"""What the sources teach, beside numbers that are computed when the page is asked for."""

from __future__ import annotations

from ..markdown_paper import MarkdownPaper
from .batchnorm import BATCHNORM
from .history import HISTORY
from .metric import METRIC
from .prox import PROX
from .scale_free import SCALE_FREE
from .taylor import TAYLOR
from .topic import Topic

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (PROX, SCALE_FREE, TAYLOR, METRIC, BATCHNORM, HISTORY)}


def markdown(topic: str | Topic) -> str:
    """A topic's page in Markdown, its numbers computed now. Raises ``KeyError`` for a name not in ``TOPICS``."""
    paper = MarkdownPaper()
    (TOPICS[topic] if isinstance(topic, str) else topic).show(paper)
    return paper.text()


__all__ = ["TOPICS", "Topic", "markdown"]
