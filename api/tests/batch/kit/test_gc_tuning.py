"""The collector of a process that serves: what was loaded before is not walked again, and what is made is collected."""

import subprocess
import sys

_SERVING = """
import gc, weakref
from batch.kit.gc_tuning import freeze_loaded_objects

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


def test_what_is_loaded_is_spared_and_what_is_made_after_is_collected() -> None:
    done = subprocess.run([sys.executable, "-c", _SERVING], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
