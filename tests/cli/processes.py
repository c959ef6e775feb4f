"""Several commands in one process of their own, one after the other: to start one takes longer than all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

ABSENT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
COMMANDS = """
import io, json, sys, traceback
from halflife.cli import doctor, main, self_tests

known, ask = json.loads(sys.argv[2]), self_tests.answers
def answers(question, *others):
    return self_tests.Answers(*known[question]) if question in known else ask(question, *others)
doctor.answers = self_tests.answers = answers

def stream():
    return io.TextIOWrapper(io.BytesIO(), encoding=sys.__stdout__.encoding, errors="strict", newline="\\n")

found = []
for sys.argv[1:] in json.loads(sys.argv[1]):
    status, sys.stdout, sys.stderr = 0, stream(), stream()
    try:
        main()
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):
            status = print(status, file=sys.stderr) or 1
    except BaseException:
        status = traceback.print_exc() or 1
    said = []
    for one in (sys.stdout, sys.stderr):
        one.flush()
        said.append(one.buffer.getvalue().decode(one.encoding))
    found.append([status, *said])
print(json.dumps(found), file=sys.__stdout__)
"""


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command, env = [sys.executable, *arguments], {**os.environ, **variables}
    return subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300)


def commands(
    asked: Sequence[Sequence[str]], absent: Sequence[str] = (), known: Any = None, encoding: str = "utf-8"
) -> dict[tuple[str, ...], Done]:
    """What each command does on a machine that lacks some packages, where outputs have that encoding.

    ``known``: what the doctor is told by processes of its own, by question.
    """
    program = (ABSENT.format(absent=set(absent)) if absent else "") + COMMANDS
    words = json.dumps(list(map(list, asked))), json.dumps(known or {})
    done = python("-c", program, *words, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    return dict(zip(map(tuple, asked), (Done(*one) for one in json.loads(done.stdout)), strict=True))
