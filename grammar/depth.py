"""How deep a script may be nested, and the Python stack that walks over it need.

Place in the pipeline: the parser refuses what is deeper than `MAX_DEPTH`; the passes that recurse, down to code
generation and the formatter, run inside `room`.  What a newcomer would get wrong: since Python 3.11 frames of Python
functions lie on the heap, so thousands of them cost no C stack; only generators and the like take half a kilobyte.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 4000
"""Greatest height of a tree.  Hand-written scripts stay below 40, but a sum of a thousand terms is a thousand high."""

_FRAMES = 15 * MAX_DEPTH + 1000
"""Python frames that a walk may take: the longest way from a node to its child has fifteen."""


@contextmanager
def room() -> Iterator[None]:
    """Walks inside may recurse as deep as trees are high."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
