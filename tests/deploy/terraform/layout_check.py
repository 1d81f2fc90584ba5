"""The layout that `terraform fmt` gives, as far as it shows line by line: two spaces a level, `=` in one column."""

import re
from collections.abc import Iterator

_ARGUMENT = re.compile(r'^( *)("[^"]+"|[\w.-]+)( +)= (.*)$')
_OPEN, _CLOSE = "([{", ")]}"


def find_layout_faults(text: str) -> Iterator[str]:
    """Yield `:line: fault`."""
    depth = 0
    group: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        code = _code(line)
        if line != line.rstrip() or "\t" in line:
            yield f":{number}: has a tab, or spaces at its end"
        closing = len(code.strip()) - len(code.strip().lstrip(_CLOSE))
        level = depth - min(closing, 1) if code.strip() else 0
        if code.strip() and len(line) - len(line.lstrip(" ")) != 2 * level:
            yield f":{number}: is not indented by {2 * level}"
        net = sum(code.count(c) for c in _OPEN) - sum(code.count(c) for c in _CLOSE)
        # Several brackets that one line opens, or closes, are one level.
        depth += (net > 0) - (net < 0)
        argument = _ARGUMENT.match(line) if net == 0 else None
        if argument:
            group.append((number, argument.end(3)))
            continue
        yield from _check_group(group)
        group = []
        if (opened := _ARGUMENT.match(line)) and len(opened[3]) != 1:
            yield f":{number}: has more than one space before ="
    yield from _check_group(group)


def _check_group(group: list[tuple[int, int]]) -> Iterator[str]:
    columns = {column for _, column in group}
    if len(columns) > 1:
        yield f":{group[0][0]}: has its = not below those of the lines to {group[-1][0]}"


def _code(line: str) -> str:
    """Return a line without what is in its strings, and without its comment."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
    return re.split(r"#|//", bare)[0]
