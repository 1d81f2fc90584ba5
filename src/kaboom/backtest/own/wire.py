"""Messages between a worker and the process of a strategy: a JSON object and arrays of numbers, never pickles.

A message is four bytes (the length of the JSON), the JSON, and the bytes of the arrays, whose types and shapes the JSON
says. What the process of a strategy sends is read as if an enemy wrote it.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_MOST_WORDS, _MOST_ARRAYS, _MOST_AXES = 1 << 20, 32, 3
_KINDS = {"<f8": np.float64, "<i8": np.int64}

type Array = NDArray[Any]
#: Sends all bytes of a buffer.
type Send = Callable[[memoryview], None]
#: Fills a buffer; raises EOFError if the other side has ended.
type Receive = Callable[[memoryview], None]


class Garbled(Exception):
    """A message has another form than expected."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its words, which are JSON, and its arrays of float64 and int64."""

    words: Mapping[str, Any]
    arrays: Sequence[Array] = field(default=())


def send(message: Message, put: Send) -> None:
    """Send a message."""
    arrays = [np.ascontiguousarray(each) for each in message.arrays]
    said = {"words": message.words, "arrays": [[each.dtype.str, each.shape] for each in arrays]}
    head = orjson.dumps(said)
    put(memoryview(_LENGTH.pack(len(head)) + head))
    for each in arrays:
        if each.size:
            put(memoryview(each).cast("B"))


def receive(take: Receive, *, most_bytes: int) -> Message:
    """Return the next message, whose arrays have at most `most_bytes` together.

    Raises:
        EOFError: the other side has ended.
        Garbled: it is not a message, or is larger.

    """
    (length,) = _LENGTH.unpack(_take(take, _LENGTH.size))
    if length > _MOST_WORDS:
        raise Garbled(f"the JSON had {length} bytes, expected at most {_MOST_WORDS}")
    words, shapes = _parse(bytes(_take(take, length)))
    sizes = [8 * math.prod(shape) for _, shape in shapes]
    if sum(sizes) > most_bytes:
        raise Garbled(f"the arrays had {sum(sizes)} bytes, expected at most {most_bytes}")
    arrays = list[Array]()
    for kind, shape in shapes:
        array = np.empty(shape, dtype=_KINDS[kind])
        if array.size:
            take(memoryview(array).cast("B"))
        arrays.append(array)
    return Message(words, arrays)


def _take(take: Receive, size: int) -> bytearray:
    content = bytearray(size)
    take(memoryview(content))
    return content


def _parse(head: bytes) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...]]]]:
    try:
        said = orjson.loads(head)
        words, arrays = said["words"], [(kind, tuple(shape)) for kind, shape in said["arrays"]]
    except (ValueError, TypeError, KeyError) as e:
        raise Garbled(f"the JSON was {head[:40]!r}, expected words and arrays") from e
    if not isinstance(words, dict) or len(arrays) > _MOST_ARRAYS:
        raise Garbled("expected words and a few arrays")
    for kind, shape in arrays:
        if (
            not isinstance(kind, str)
            or kind not in _KINDS
            or len(shape) > _MOST_AXES
            or not all(type(n) is int and n >= 0 for n in shape)
        ):
            raise Garbled(f"an array was {kind!r:.20} of {shape!r:.40}, expected numbers")
    return words, arrays
