"""Lines as C++: one text, which NVRTC compiles for a GPU and g++ for the CPU. fused.hpp is what all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ..formats import BLOCK
from ..memory import WEIGHT_SALT
from ..trace import COMPARISONS, Line, Operand, UntraceableError
from .recording import KEPT, ClockRecording, Column, Recording

TRUTHS = COMPARISONS | {"logical_and", "logical_or", "logical_not"}
MEMORY = {
    **{"f32": "float", "f64": "double", "bf16": "uint16_t", "f16": "uint16_t", "bool": "uint8_t"},
    **{"signed codes": "uint8_t", "unsigned codes": "uint8_t"},
}
KERNEL, CLOCK = "hl_fused", "hl_clock"
SIGNATURES = {
    KERNEL: ("address", "int32", *["address"] * 4, "int64", *["address"] * 3),
    CLOCK: ("address", "int64", *["address"] * 5),
}
"""What kernels are called with, as HL_ARGUMENTS and HL_CLOCK_ARGUMENTS in fused.hpp have it."""
INCLUDE = Path(__file__).parent / "include"
_INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
    **{"eq": "==", "ne": "!=", "logical_and": "&", "logical_or": "|"},
}
_CALLED = {
    **{name: f"hl::{name}" for name in ("abs", "sign", "exp", "log", "cos", "acos", "tanh", "pow", "fma")},
    **{name: f"hl::{name}" for name in ("maximum", "minimum", "clamp")},
    **{"sqrt": "math.sqrt", "div": "math.divide"},
}


def source(text: str, part: int) -> str:
    """A whole translation unit: a kernel's text behind what it includes, for parts of that many coordinates."""
    return f"#define HL_PART {part}\n{_headers()}\n{text}"


@cache
def _headers() -> str:
    """fused.hpp and the formats, as one text; native/CMakeLists.txt takes the formats from here too."""
    fused, formats = ((INCLUDE / name).read_text(encoding="utf-8") for name in ("fused.hpp", "formats/formats.hpp"))
    return fused.replace('#include "formats/formats.hpp"', formats).replace("#pragma once\n", "")


class Lines:
    """The lines of a trace as statements; ``inputs`` are the C++ names of what they start from.

    ``number`` is the C++ type, ``coefficient`` the prefix of the coefficients' names; those in ``inverses`` are
    inverted by whoever fills them in.
    """

    def __init__(self, lines: Sequence[Line], inputs: Sequence[str], inverses: frozenset[int] = frozenset()) -> None:
        self._lines, self._inputs, self._inverses = lines, inputs, inverses

    def statements(self) -> Iterator[str]:
        """A constant a line."""
        for place, line in enumerate(self._lines):
            kind = "bool" if line.op in TRUTHS else "T"
            yield f"const {kind} x{place} = {self._expression(line)};"

    def number(self, operand: Operand) -> str:
        """An operand as a number."""
        if operand.kind == "integer":
            return f"T({operand.place})"
        if operand.kind == "coefficient":
            return f"k{operand.place}"
        if operand.kind == "input":
            return self._inputs[operand.place]
        return f"T(x{operand.place})" if self._lines[operand.place].op in TRUTHS else f"x{operand.place}"

    def _truth(self, operand: Operand) -> str:
        if operand.kind == "line" and self._lines[operand.place].op in TRUTHS:
            return f"x{operand.place}"
        return f"({self.number(operand)} != T(0))"

    def _expression(self, line: Line) -> str:
        op, operands = line
        truths, numbers = [self._truth(x) for x in operands], [self.number(x) for x in operands]
        if op in ("logical_and", "logical_or"):
            return f"{truths[0]} {_INFIX[op]} {truths[1]}"
        if op == "where":
            return f"{truths[0]} ? {numbers[1]} : {numbers[2]}"
        inverted = op == "div" and operands[1].kind == "coefficient" and operands[1].place in self._inverses
        if inverted or (op == "pow" and operands[1] == Operand("integer", 2)):
            return f"{numbers[0]} * {numbers[inverted]}"
        prefix = {
            "fill": numbers[0],
            "neg": f"-{numbers[0]}",
            "logical_not": f"!{truths[0]}",
            KEPT: f"T(C({numbers[0]}))",
        }
        if op in prefix:
            return prefix[op]
        if op in _INFIX:
            return f"{numbers[0]} {_INFIX[op]} {numbers[1]}"
        if op not in _CALLED:
            raise UntraceableError(f"{op!r} has no word in C++")
        return f"{_CALLED[op]}({', '.join(numbers)})"


def kernel_text(recording: Recording, name: str = KERNEL) -> str:
    """The kernel of a step, to be compiled behind fused.hpp: every part of memory read once and written once."""
    return "\n".join(_Kernel(recording).text(name)) + "\n"


def clock_text(clock: ClockRecording, name: str = CLOCK) -> str:
    """The kernel that makes a step's numbers of the clocks, a thread a tensor, to be compiled behind fused.hpp."""
    return "\n".join(_clock_text(clock, name)) + "\n"


def _clock_text(clock: ClockRecording, name: str) -> Iterator[str]:
    lines = Lines(clock.lines, [f"in{k}" for k in range(len(clock.names))])
    yield f"namespace {name}_ {{\nusing T = double; using C = {clock.kept}; using N = {clock.number};"
    yield f"enum {{ NUMBERS = {len(clock.coefficients)}, GIVEN = {clock.given} }};"
    yield f"HL_CLOCK({name}) {{\n  HL_EACH_TENSOR {{"
    yield "    const double *const k = given + int64_t(rows[tensor]) * GIVEN;"
    yield from (f"    const T k{n} = k[{n}];" for n in range(clock.given))
    for k, kept in enumerate(clock.names):
        yield f"    C *const c{k} = HL_CLOCK_OF(C, {k});"
        yield f"    const T in{k} = T(*c{k} = C(T(*c{k}) + 1));" if kept == "step" else f"    const T in{k} = T(*c{k});"
    yield "    const hl::Exact math;"
    yield from (f"    {statement}" for statement in lines.statements())
    for stored, operand in (*clock.ticked, *clock.finished):
        yield f"    *c{clock.names.index(stored)} = C({lines.number(operand)});"
    yield "    N *const numbers_of = static_cast<N *>(numbers) + tensor * NUMBERS;"
    for k, operand in enumerate(clock.coefficients):
        x = lines.number(operand)
        yield f"    numbers_of[{k}] = N({f'1 / T({x})' if k in clock.inverses else x});"
    step = "in" + str(clock.names.index("step")) if "step" in clock.names else "0"
    yield f"    seeds[tensor] = uint32_t(int64_t({step})) * hl::SEED;\n  }}\n}}\nHL_CLOCK_ENTRY({name})\n}}"


class _Kernel:
    """A recording's text; a column's C++ name is the place that it has among the pointers."""

    def __init__(self, recording: Recording) -> None:
        self.r = recording
        self.name = {column.name: f"c{place}" for place, column in enumerate(recording.columns)}
        self.format = {column.name: column.format for column in recording.columns}
        self.coded = [column for column in recording.columns if column.format.endswith("codes")]
        self.written = dict(recording.results)
        self.lines = Lines(recording.lines, [f"in{k}" for k in range(len(recording.inputs))], recording.inverses)

    def text(self, name: str) -> Iterator[str]:
        r = self.r
        yield f"namespace {name}_ {{\nusing T = {r.number};"
        yield f"enum {{ NUMBERS = {r.coefficients}, V = HL_WIDTH({self._width()}) }};"
        yield f"HL_KERNEL({name}) {{"
        yield "  HL_EACH_PART {"
        yield "    const T *__restrict k = static_cast<const T *>(numbers) + int64_t(row) * NUMBERS;"
        yield "    const T k0 = k[0] * T(from_verdict);"
        yield from (f"    const T k{n} = k[{n}];" for n in range(1, r.coefficients))
        yield from (f"    HL_COLUMN({MEMORY[x.format]}, {self.name[x.name]}, {k});" for k, x in enumerate(r.columns))
        first = len(r.columns)
        yield from (f"    HL_SCALES({self.name[x.name]}, {first + k});" for k, x in enumerate(self.coded))
        yield "    HL_EACH_RUN {"
        yield from (f"      {line}" for line in self._run())
        yield f"    }}\n  }}\n}}\nHL_ENTRY({name})\n}}"

    def _width(self) -> str:
        """How many neighbours a thread of a GPU has: 16 bytes of the narrowest column, or its share of a block."""
        narrow = any(x.format in ("bf16", "f16") for x in self.r.columns)
        return str(BLOCK) if self.coded else "8" if narrow else "2" if self.r.number == "double" else "4"

    def _run(self) -> Iterator[str]:
        yield "HL_RUN"
        for x in self.r.columns:
            name = self.name[x.name]
            yield f"HL_VIEW_CODES({name});" if x in self.coded else f"HL_VIEW({MEMORY[x.format]}, {name});"
        yield from self._moved("GET", self.r.columns)
        for x in self.coded:
            yield f"HL_OLD_SCALE({self.name[x.name]});"
        yield from (f"HL_NEW_CODES({self.name[x.name]});" for x in self._new_codes())
        most = ", ".join(f"{self.name[x.name]}_most" for x in self._new_codes())
        yield "HL_COORDINATES"
        yield f"HL_SIMD_MAX({most})" if most else "HL_SIMD"
        yield "HL_EACH_COORDINATE {"
        yield from (f"  {line}" for line in self._coordinate())
        yield "}\nHL_RARELY {"
        yield from (f"  {line}" for line in self._moved("GET", self._put()))
        yield from (f"  HL_NONE_YET({self.name[x.name]});" for x in self._new_codes())
        yield "  HL_AGAIN\n}"
        if self._new_codes():
            yield "HL_RANDOM"
        for x in self._new_codes():
            yield f"HL_ENCODE({self.name[x.name]}, {_bool(x.format == 'unsigned codes')}, {x.state});"
        yield from self._moved("PUT", self._put())

    def _moved(self, way: str, columns: Sequence[Column]) -> Iterator[str]:
        """Columns into registers or out of them: all by whole runs, or all one by one."""
        names = [self.name[x.name] for x in columns]
        yield f"HL_WHOLE {{ {' '.join(f'HL_{way}({name})' for name in names)} }}"
        yield f"else {{ {' '.join(f'HL_{way}_SOME({name})' for name in names)} }}"

    def _new_codes(self) -> list[Column]:
        return [x for x in self.coded if x.name in self.written]

    def _put(self) -> list[Column]:
        return [x for x in self.r.columns if x.name in self.written or x.name in ("kahan", "ema")]

    def _coordinate(self) -> Iterator[str]:
        for k, name in enumerate(self.r.inputs):
            bias = f" + {self._read('kahan')}" if name == "w" and "kahan" in self.name else ""
            yield f"const T in{k} = {self._read(name)}{bias};"
        if self._dithered():
            yield "const uint32_t random = hl::dither(HL_INDEX(j), seed + hl::STATE_SALT);"
        yield from self.lines.statements()
        for column in self.r.columns:
            if column.name != "w" and column.name in self.written:
                yield self._written(column)
        yield from self._weights()

    def _read(self, name: str) -> str:
        at, form = f"{self.name[name]}[j]", self.format[name]
        if form.endswith("codes"):
            return f"T(HL_DECODE({self.name[name]}, {_bool(form.startswith('unsigned'))}))"
        if form in ("bf16", "f16"):
            return f"T(math.from_{_half(form)}({at}))"
        return f"T({at})"

    def _dithered(self) -> bool:
        return self.r.dithers_states and any(
            x.format in ("bf16", "f16") for x in self.r.columns if x.name != "w" and x.name in self.written
        )

    def _written(self, column: Column) -> str:
        name, x = self.name[column.name], self.lines.number(self.written[column.name])
        if column.format.endswith("codes"):
            return f"{name}_new[j] = float({x}); {name}_most = hl::most({name}_most, {name}_new[j]);"
        if column.format in ("bf16", "f16"):
            if self.r.dithers_states:
                bits = f"hl::turned(random, {column.state})"
                return f"{name}[j] = math.dithered_{_half(column.format)}(float({x}), {bits});"
            return f"{name}[j] = math.nearest_{_half(column.format)}(float({x}));"
        return f"{name}[j] = {MEMORY[column.format]}({x});"

    def _weights(self) -> Iterator[str]:
        name, form = self.name["w"], self.format["w"]
        yield f"const T w_new = {self.lines.number(self.written['w'])};"
        if form in ("bf16", "f16"):
            half, dithered = _half(form), self.r.rounding == "stochastic"
            random = f", hl::dither(HL_INDEX(j), seed + {WEIGHT_SALT}u)" if dithered else ""
            yield f"{name}[j] = math.{'dithered' if dithered else 'nearest'}_{half}(w_new{random});"
            yield f"const T w_kept = T(math.from_{half}({name}[j]));"
            if "kahan" in self.name:
                yield "const T w_rest = w_new - w_kept;"
                rest = "w_rest - w_rest == T(0) ? w_rest : T(0)"
                yield f"{self.name['kahan']}[j] = math.nearest_{half}({rest});"
        else:
            yield f"{name}[j] = w_new;"
            yield "const T w_kept = w_new;"
        if "ema" in self.name:
            ema, share = self.name["ema"], f"k{self.r.coefficients - 1}"
            yield f"{ema}[j] = {share} == T(1) ? w_kept : {ema}[j] + {share} * (w_kept - {ema}[j]);"


def _half(form: str) -> str:
    return "bf16" if form == "bf16" else "fp16"


def _bool(x: bool) -> str:
    return "true" if x else "false"
