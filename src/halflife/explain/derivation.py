"""A recorded step as one writes it on paper: ``letter = letters = figures = value``, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engines.trace import COMPARISONS, Operand, Value
from ..update import Update
from .expressions import Writer, figure
from .letters import printed
from .recording import Binding, Condition, Number, Recording

_SINGLE = "kept in float32 beside weights of any dtype, as torch keeps it"
_TRUTHS = COMPARISONS | {"logical_not", "logical_and", "logical_or"}

Result = Value | Number | float
"""What a line may come to."""


@dataclass(frozen=True)
class WorkedLine:
    """``letter = letters = figures = value``, and a remark; ``again`` where the letter stood for something else before,
    which the line uses.
    """

    letter: str
    letters: str
    figures: str
    value: float
    remark: str = ""
    again: bool = False


@dataclass(frozen=True)
class _Entry:
    line: WorkedLine
    operand: Operand | None
    uses: frozenset[Operand]


@dataclass
class Derivation:
    """The lines of one step, written from its bindings in their order.

    ``kept`` names what must be shown whatever it is used for: the states by their letters, and the new weight.
    ``given`` are the settings and the old states, which no other name is told of.
    """

    recording: Recording
    names: dict[Operand, str]
    kept: frozenset[str]
    given: frozenset[Operand]
    entries: list[_Entry] = field(default_factory=list[_Entry])
    _told: set[tuple[Operand, str]] = field(default_factory=set[tuple[Operand, str]])
    _coming: dict[Operand, Binding] = field(default_factory=dict[Operand, Binding])

    def add(self, bindings: Iterable[Binding]) -> None:
        """Write a line for each binding that says something new."""
        bindings = list(bindings)
        for binding in bindings:
            if isinstance(binding.what, Value | Number):
                self._coming.setdefault(binding.what.operand, binding)
        for binding in bindings:
            self._add(binding, _letter(binding))

    def state(self, letter: str, x: Result) -> None:
        """Write what a state became, unless that stands there already."""
        self._add(Binding(letter, x), letter)

    def lines(self) -> tuple[WorkedLine, ...]:
        """The lines that lead to the new weight, to a state or to a condition."""
        needed, shown = set[Operand](), list[WorkedLine]()
        for entry in reversed(self.entries):
            if entry.operand is None or entry.line.letter in self.kept or entry.operand in needed:
                needed |= entry.uses
                shown.append(entry.line)
        return tuple(reversed(shown))

    def _add(self, binding: Binding, letter: str) -> None:
        what = binding.what
        if not isinstance(what, Value | Number):
            if binding.conditions or letter in self.kept:
                self._enter(letter, None, figure(what), what, binding.conditions)
        elif self._says_something(letter, what.operand):
            self._enter(letter, what.operand, None, self.recording.results[what.operand], binding.conditions)

    def _says_something(self, letter: str, x: Operand) -> bool:
        line = self.recording.lines[x.place] if x.kind == "line" else None
        if x in self.given or (x, letter) in self._told or (line is not None and line.op in _TRUTHS):
            return False
        return x not in self.names or letter in self.kept

    def _enter(
        self, letter: str, x: Operand | None, text: str | None, value: float, conditions: tuple[Condition, ...]
    ) -> None:
        self._name_parts(x)
        writer = Writer(self.recording, self.names)
        letters = self._letters(writer, x) if x is not None else text or ""
        figures = figure(value) if x is None or x in self.names else writer.figures(x)
        remark = self._remark(writer, conditions, x)
        if letters != letter:
            again = letter in {self.names[used] for used in writer.used}
            line = WorkedLine(letter, letters, figures, value, remark, again)
            self.entries.append(_Entry(line, x, frozenset(writer.used)))
        if x is not None:
            self.names[x] = letter
            self._told.add((x, letter))

    def _name_parts(self, x: Operand | None) -> None:
        """First the lines of parts that get a name only later, where the same is computed again."""
        if x is None or x.kind != "line" or x in self.names:
            return
        for part in self.recording.lines[x.place].operands:
            self._name_parts(part)
            if part not in self.names and part in self._coming:
                self._add(self._coming[part], _letter(self._coming[part]))

    def _remark(self, writer: Writer, conditions: tuple[Condition, ...], x: Operand | None) -> str:
        """The conditions that hold, or those that do not where none does; and where a number lost digits."""
        asked = [*conditions, *writer.asked]
        told = [condition for condition in asked if condition.holds] or asked
        remarks = dict.fromkeys(writer.condition(condition) for condition in told)
        rounded = x is not None and x.kind == "line" and self.recording.lines[x.place].op == "float32"
        return ", ".join([*remarks, *([_SINGLE] if rounded and x not in self.names else [])])

    def _letters(self, writer: Writer, x: Operand) -> str:
        if x in self.names:
            writer.used.add(x)
            return self.names[x]
        return writer.letters(x)


def _letter(binding: Binding) -> str:
    """The letter of a local variable; the new weight of ``Update`` is w′."""
    new_weight = binding.name == "w" and binding.code is Update.__call__.__code__
    return "w′" if new_weight else printed(binding.name)
