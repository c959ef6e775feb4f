"""Messages between the driver and its workers: a length, then a pickle."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO, NamedTuple


class Share(NamedTuple):
    """How much of the item in work is done."""

    share: float


class Done(NamedTuple):
    """An item's result, and the seconds it took."""

    result: Any
    seconds: float


class Failed(NamedTuple):
    """The exception that ended an item, and where it arose."""

    error: BaseException
    trace: str


class Warned(NamedTuple):
    """A warning, to be issued where somebody reads it."""

    text: str


Message = Share | Done | Failed | Warned


def send(to: BinaryIO, message: bytes) -> None:
    """All of it, at once."""
    to.write(len(message).to_bytes(8, "little") + message)
    to.flush()


def receive(source: BinaryIO) -> bytes | None:
    """The next message, or None where the other side is gone."""
    length = source.read(8)
    if len(length) < 8:
        return None
    size = int.from_bytes(length, "little")
    message = source.read(size)
    return message if len(message) == size else None


def dumped(message: Message) -> bytes:
    """As bytes; an error that cannot be sent is sent as its text."""
    try:
        content = pickle.dumps(message)
        if isinstance(message, Failed):
            pickle.loads(content)  # there are exceptions that are sent and never arrive
        return content
    except Exception:
        if not isinstance(message, Failed):
            raise
        return pickle.dumps(Failed(RuntimeError(f"{type(message.error).__name__}: {message.error}"), message.trace))
