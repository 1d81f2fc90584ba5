"""When bars were added at the end of a page: runs of a first time and a number of a moment, in a few bytes each.

The newest run is first, as fixed numbers, so that a run is added without reading the others; then the steps between
runs follow, oldest first, as varints.
"""

import struct

_NEWEST = struct.Struct("<qI")
#: The same for moments that are microseconds since 1970.
WIDE = struct.Struct("<qq")


def add_run(grown: bytes | None, first_s: int, no: int, *, newest: struct.Struct = _NEWEST) -> bytes:
    """Return runs with one more: bars from `first_s` (UTC seconds) on are known since moment `no`; both rise."""
    if not grown:
        return newest.pack(first_s, no)
    last_s, last_no = newest.unpack_from(grown)
    steps = grown[newest.size :] + _to_varint(first_s - last_s) + _to_varint(no - last_no)
    return newest.pack(first_s, no) + steps


def find_cut(grown: bytes | None, no: int, *, newest: struct.Struct = _NEWEST) -> int | None:
    """Return the time, in UTC seconds, from which bars were not there yet at moment `no`; None if all were."""
    cut = None
    for first_s, at in _read_backwards(grown, newest) if grown else ():
        if at <= no:
            break
        cut = first_s
    return cut


def _read_backwards(grown: bytes, newest: struct.Struct) -> list[tuple[int, int]]:
    """Return the runs, newest first."""
    first_s, no = newest.unpack_from(grown)
    numbers = _from_varints(grown[newest.size :])
    runs = [(first_s, no)]
    for at in range(len(numbers) - 2, -1, -2):
        first_s, no = first_s - numbers[at], no - numbers[at + 1]
        runs.append((first_s, no))
    return runs


def _to_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _from_varints(data: bytes) -> list[int]:
    numbers, number, shift = list[int](), 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return numbers
