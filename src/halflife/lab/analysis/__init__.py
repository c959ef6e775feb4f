"""What a study found: each optimizer's findings, the verdict on them, comparisons, the self-test, and all in words."""

from .comparison import Comparison, compare
from .decision import Decision, decide, decision_words
from .findings import Findings, MeanAndSpread, findings
from .self_test import SelfTest, self_test
from .sentences import comparison_words, self_test_words, sentences
from .verdict import Convention, Verdict, verdict

__all__ = [
    "Comparison",
    "Convention",
    "Decision",
    "Findings",
    "MeanAndSpread",
    "SelfTest",
    "Verdict",
    "compare",
    "comparison_words",
    "decide",
    "decision_words",
    "findings",
    "self_test",
    "self_test_words",
    "sentences",
    "verdict",
]
