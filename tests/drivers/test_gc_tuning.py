"""A process that serves: loaded objects are not walked again, new ones are collected, large blocks are given back."""

import subprocess
import sys

import pytest

_SERVING = """
import gc, weakref
from kaboom.drivers.gc_tuning import freeze_loaded_objects

class Node:
    pass

freeze_loaded_objects()
frozen, young = gc.get_freeze_count(), gc.get_threshold()[0]
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
kept = [[] for _ in range(4 * young)]
print(frozen > 1000, gone() is None)
"""
#: Takes memory as exports do, in several threads, and says how many MB it keeps.
_EXPORTING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import psutil
from kaboom.drivers.gc_tuning import return_large_blocks

def export(_):
    for _ in range(10):
        parts = [bytes([1]) * (size << 20) for size in (30, 7, 15, 25)]
        del parts

if "tuned" in sys.argv:
    return_large_blocks()
begin = psutil.Process().memory_info().rss
with ThreadPoolExecutor(4) as pool:
    list(pool.map(export, range(4)))
    print((psutil.Process().memory_info().rss - begin) >> 20)
"""


def run(program: str, *arguments: str) -> list[str]:
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_what_is_loaded_is_spared_and_what_is_made_after_is_collected() -> None:
    assert run(_SERVING) == ["True", "True"]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_large_blocks_are_given_back() -> None:
    (kept,), (kept_by_default,) = run(_EXPORTING, "tuned"), run(_EXPORTING)
    assert int(kept) < 20 < int(kept_by_default)
