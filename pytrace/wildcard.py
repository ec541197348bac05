"""Patterns in attach points and searches: `*` is any run of characters, and nothing else is special (spec 03 §1).

Place in the pipeline: the bottom; the rows, the expansion and the listing match with it.  In: a pattern.  Out: a test.
What a newcomer would get wrong: `[…]` counts as a pattern but matches only itself, as in the reference.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def has_wildcard(text: str) -> bool:
    """Whether an attach point's part is a pattern.  `[…]` counts as one and yet matches only itself (spec 03 §1)."""
    return "*" in text or ("[" in text and "]" in text)


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test for `pattern`, in which only `*` is special; the empty pattern matches everything."""
    if "*" not in pattern:
        return pattern.__eq__ if pattern else lambda text: True
    if not pattern.strip("*"):
        return lambda text: True
    first, *middle = pattern.split("*")
    last = middle.pop()
    middle = [token for token in middle if token]

    def matches(text: str) -> bool:
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return False
        at, end = len(first), len(text) - len(last)
        for token in middle:
            at = text.find(token, at, end)
            if at < 0:
                return False
            at += len(token)
        return True

    return matches
