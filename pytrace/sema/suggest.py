"""Did you mean …: the closest of the known names.

Place in the pipeline: where a name is not found.  In: the name and the tables' names.  Out: one name or "".  What a
newcomer would get wrong: a far-fetched suggestion is worse than none, so short names allow one slip only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """The known name at the smallest edit distance, if that is at most a third of the name's length."""
    limit = max(1, len(name) // 3)
    best, found = limit + 1, ""
    for candidate in known:
        if abs(len(candidate) - len(name)) < best:
            distance = _distance(name, candidate, best)
            if distance < best:
                best, found = distance, candidate
    return found if len(name) > 1 else ""


def _distance(a: str, b: str, limit: int) -> int:
    """Levenshtein distance, with a swap of neighbours counted once; stops being exact at `limit`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) >= limit:
            return limit
        before, row = row, current
    return row[-1]
