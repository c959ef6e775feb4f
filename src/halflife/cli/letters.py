"""Letters that an output's encoding lacks, written in others: λ as lambda, √(v) as sqrt(v), m̂ as m_hat, 10⁻² as 10^-2.

``halflife`` is an error handler of codecs, as ``strict`` and ``replace`` are.
"""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper
from unicodedata import normalize

HANDLER = "halflife"
SPELLED_ASCII = "halflife-ascii"

NAMES = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "eps",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sum",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
    "√": "sqrt",
    "∇": "grad",
    "∞": "inf",
    "∈": "in",
    "½": "1/2",
    "¼": "1/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "§": "sec.",
}
"""What stands apart from letters and digits beside it: λw is lambda w."""

SIGNS = {
    "←": "<-",
    "→": "->",
    "↦": "|->",
    "×": "x",
    "·": "*",
    "−": "-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "…": "...",
    "⋯": "...",
    "–": "-",
    "—": "--",
    "─": "-",
    "′": "'",
    "‖": "||",
    "⟨": "<",
    "⟩": ">",
    "∝": "~",
    "°": "deg",
    "µ": "u",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "“": '"',
    "”": '"',
    "━": "-",
    "╸": "-",
    "╺": "-",
    "│": "|",
    "┃": "|",
    "✓": "ok",
    "✗": "x",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "_hat",
    "\N{COMBINING MACRON}": "_bar",
    "ḡ": "g_bar",
    "\u00a0": " ",
}

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵃᵏᵗⁿ", "0123456789+-Taktn", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ᵢₖₙₛₜ", "0123456789+-()iknst", strict=True))


def spelled(error: UnicodeError) -> tuple[str, int]:
    """What stands for the letters that cannot be encoded, in ASCII, and where the others go on; for codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text, at, found = error.object, error.start, ""
    while at < error.end:
        word, at = _word(text, at)
        found += word
    return found, at


def _word(text: str, at: int) -> tuple[str, int]:
    """One letter, or a whole exponent or index, in ASCII, and where the next is."""
    letter = text[at]
    for script, mark in ((RAISED, "^"), (LOWERED, "_")):
        end = at
        while text[end : end + 1] in script and end < len(text):
            end += 1
        if end > at:
            word = "".join(script[x] for x in text[at:end])
            return word if mark == "_" and word.isdigit() else mark + word, end
    if letter in NAMES:
        before = " " if _continues(text[at - 1 : at]) else ""
        return before + NAMES[letter] + _gap(letter, text[at + 1 : at + 2]), at + 1
    return SIGNS.get(letter) or _others(letter), at + 1


def _others(letter: str) -> str:
    """A letter without its accents, a line or corner of a table, a dot of a bar that turns."""
    if "\u2500" <= letter <= "\u257f":
        return "+"
    plain = normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or ("*" if "\u2800" <= letter <= "\u28ff" else "?")


def _continues(before: str) -> bool:
    """Whether a name after it needs a blank; names leave one themselves."""
    return before.isalnum() and before not in NAMES and before not in RAISED and before not in LOWERED


def _gap(letter: str, after: str) -> str:
    """The blank after a name, where letters would run together; of a root, where it is not clear what is under it."""
    script = after in RAISED or after in LOWERED
    apart = after in NAMES or (after.isalpha() and not script) or (letter == "√" and after not in ("(", ""))
    return " " if apart else ""


def readable(text: str) -> str:
    """The text in letters that standard output can show."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, HANDLER).decode(encoding)


def spell_what_is_lacking() -> None:
    """Let standard output and standard error spell the letters that they lack.

    A stream in ASCII gets another name for its encoding: under its own, click writes UTF-8 instead.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            ascii_ = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=SPELLED_ASCII if ascii_ else None, errors=HANDLER)


def _codec(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name, for codecs."""
    if name.replace("-", "_") != SPELLED_ASCII.replace("-", "_"):
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        known.streamreader,
        known.streamwriter,
        known.incrementalencoder,
        known.incrementaldecoder,
        SPELLED_ASCII,
    )


codecs.register_error(HANDLER, spelled)
codecs.register(_codec)
