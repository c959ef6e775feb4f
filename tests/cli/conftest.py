"""What ``halflife doctor`` asks processes of its own, asked once a run: to start one takes longer than most tests."""

from __future__ import annotations

from typing import Any

import pytest

from halflife.cli import doctor, self_tests
from halflife.engines.cuda import host


@pytest.fixture(scope="session")
def known() -> dict[str, self_tests.Answers]:
    """The processes' answers, by question."""
    return {question: self_tests.answers(question) for question in ("models", *([] if host.obstacle() else ["cpu"]))}


@pytest.fixture
def asked_once(known: dict[str, self_tests.Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor takes these answers for what it is told."""
    ask = self_tests.answers

    def answers(question: str, *others: Any) -> self_tests.Answers:
        return known[question] if question in known else ask(question, *others)

    for module in (doctor, self_tests):
        monkeypatch.setattr(module, "answers", answers)
