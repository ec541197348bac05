"""The table of all calls at the end of a run, as `strace -c -w` prints it.

Place in the pipeline: filled by `lines`.  In: each call's name, time and success.  Out: the table.  What a newcomer
would get wrong: the time is what passed between entry and return, waiting included; a call that did not return counts,
with no time.
"""

from __future__ import annotations

_RULE = "------ ----------- ----------- --------- --------- ----------------\n"


class Summary:
    """Calls, nanoseconds and failures by name."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}

    def add(self, name: str, nanoseconds: int, failed: bool) -> None:
        """One call."""
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = [0, 0, 0]
        row[0] += nanoseconds
        row[1] += 1
        row[2] += failed

    def text(self) -> str:
        """The table: most time first."""
        total = sum(row[0] for row in self._rows.values())
        lines = ["% time     seconds  usecs/call     calls    errors syscall\n", _RULE]
        order = sorted(self._rows.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
        lines += [_line(name, row[0], row[1], row[2], total) for name, row in order]
        calls, errors = (sum(row[i] for row in self._rows.values()) for i in (1, 2))
        return "".join([*lines, _RULE, _line("total", total, calls, errors, total)])


def _line(name: str, nanoseconds: int, calls: int, errors: int, total: int) -> str:
    share = 100 * nanoseconds / total if total else 0.0
    each = nanoseconds // 1000 // calls if calls else 0
    return f"{share:6.2f} {nanoseconds / 1e9:11.6f} {each:11} {calls:9} {errors or '':>9} {name}\n"
