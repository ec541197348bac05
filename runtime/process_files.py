"""Where the symbols of a process are: the files that it has mapped, and the map that a just-in-time compiler writes.

Place in the pipeline: under `runtime.symbols`, for what libbcc does not find.  In: a process and an address.  Out: a
file that can be opened and a place in it; or a name.  What a newcomer would get wrong: a path in /proc/PID/maps need
not exist here (another root, another mount namespace) or may be gone by now, but /proc/PID/map_files always leads to
the very file.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from time import monotonic

_PERIOD = 1.0

Row = tuple[int, int, str]
"""(address, size, name)"""


class ProcessFiles:
    """The executable mappings of living processes, read again when an address is in none of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[float, list[tuple[int, int, int, str]]]] = {}

    def find(self, pid: int, program: str, address: int) -> tuple[str, int, str] | None:
        """(what to open, offset in that file, its path for the user) of an address; `program` is what `pid` runs."""
        for fresh in (False, True):
            for start, end, offset, path in self._mappings(pid, program, fresh):
                if start <= address < end:
                    return _opened(pid, start, end, path), address - start + offset, path.removesuffix(" (deleted)")
        return None

    def _mappings(self, pid: int, program: str, fresh: bool) -> list[tuple[int, int, int, str]]:
        read, rows = self._known.get((pid, program), (0.0, []))
        now = monotonic()
        if not read or (fresh and now - read >= _PERIOD):
            from pytrace.runtime.mappings import current
            from pytrace.runtime.vdso import is_ours

            rows = [row for row in current(pid) if row[3].startswith("/") or is_ours(row[3], row[0])]
            self._known[pid, program] = now, rows
        return rows


def _opened(pid: int, start: int, end: int, path: str) -> str:
    """The path of a mapping, if it is the same file from here; else what leads to it.  The vDSO has a name only."""
    if not path.startswith("/"):
        return path
    link = f"/proc/{pid}/map_files/{start:x}-{end:x}"
    try:
        return path if os.path.samefile(path, link) else link
    except OSError:
        return link


class PerfMaps:
    """/tmp/perf-PID.map: a line `START SIZE NAME` for each piece of generated code (tools/perf: jit-interface.txt)."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], list[Row]]] = {}

    def find(self, pid: int, alive: bool, address: int) -> tuple[str, int, str] | None:
        """(name, offset, file) of an address of a process, also of one that has ended and left its map."""
        for path in _places(pid) if alive else (f"/tmp/perf-{pid}.map",):
            rows = self._rows(path)
            at = bisect_right(rows, address, key=lambda row: row[0]) - 1
            if at >= 0 and address < rows[at][0] + rows[at][1]:
                return rows[at][2], address - rows[at][0], path.removeprefix(f"/proc/{pid}/root")
        return None

    def _rows(self, path: str) -> list[Row]:
        try:
            about = os.stat(path)
        except OSError:
            return self._known[path][1] if path in self._known else []
        version = about.st_mtime_ns, about.st_size
        known = self._known.get(path)
        if known is None or known[0] != version:
            known = self._known[path] = version, _read(path)
        return known[1]


def _places(pid: int) -> tuple[str, ...]:
    """In the process's own /tmp, named by the number that it has in its own PID namespace."""
    number = str(pid)
    try:
        with open(f"/proc/{pid}/status", encoding="latin-1") as file:
            number = next((line.split()[-1] for line in file if line.startswith("NSpid:")), number)
    except OSError:
        pass
    return f"/proc/{pid}/root/tmp/perf-{number}.map", f"/tmp/perf-{pid}.map"


def _read(path: str) -> list[Row]:
    rows = []
    try:
        with open(path, encoding="latin-1") as file:
            for line in file:
                start, _, rest = line.rstrip("\n").partition(" ")
                size, _, name = rest.partition(" ")
                try:
                    rows.append((int(start, 16), int(size, 16), name))
                except ValueError:
                    continue  # a line that is being written
    except OSError:
        return []
    return sorted(rows)
