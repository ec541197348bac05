"""Names for addresses: kernel and user symbols, and the text of stacks (spec 04 §3, 05 §4.4).

Place in the pipeline: called by `output.render`, imported when the first symbol is to be printed.  In: addresses.  Out:
text. What a newcomer would get wrong: nothing here may fail; an address without a symbol is shown as a number.

Where names come from, measured on a 6.18 kernel with 122,000 symbols: reading /proc/kallsyms here costs 70 ms and 15
MB; libbcc costs 17 ms to load, 90 ms to read the same file, and 75 MB in all, because it brings LLVM; `import bcc`
costs 240 ms.  So kernel symbols are looked up here, in the same way as libbcc does (the last of several names for one
address wins), and libbcc.so.0 is loaded through ctypes for user symbols only: it knows mount namespaces, separate debug
files, /tmp/perf-PID.map, the vDSO and C++ names.
"""

from __future__ import annotations

import os
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.runtime.mappings import Mappings
    from pytrace.values import StackValue

_DATA = b"bBdDrR"
"""Types of kallsyms lines that are no code (nm(1))."""
_FAILED = (1 << 64) - 1
_MOST_KNOWN = 1 << 16


class KernelSymbols:
    """/proc/kallsyms, sorted."""

    def __init__(self, path: str = "/proc/kallsyms") -> None:
        try:
            with open(path, "rb") as f:
                self._lines = f.read().splitlines()
        except OSError:
            self._lines = []
        self._lines.sort(key=_address)  # already in order but for modules; equal addresses keep theirs

    def find(self, address: int) -> tuple[str, int] | None:
        """(name, offset) of the symbol that `address` lies in or behind."""
        at = bisect_right(self._lines, b"%016x\xff" % address) - 1
        while at >= 0 and self._lines[at][17:18] in _DATA:
            at -= 1
        if at < 0:
            return None
        line = self._lines[at]
        start = int(line[:16], 16)
        if not start:  # kptr_restrict hides the addresses
            return None
        return line[19:].split(b"\t", 1)[0].decode("latin-1"), address - start


def _address(line: bytes) -> bytes:
    return line[:16]


class Symbols:
    """All look-ups of one run.  `config`: the Program's settings; `program_of(probe)`: the file that a probe was
    attached to, "" if it is not one, for processes that are gone."""

    def __init__(self, config: Mapping[str, Any], program_of: Callable[[int], str]) -> None:
        self._policy = str(config.get("cache_user_symbols", "PER_PID"))
        self._demangle = bool(config.get("cpp_demangle", True))
        self._lazy = bool(config.get("lazy_symbolication", True))
        self._show_source = bool(config.get("show_debug_info", False))
        self._program_of = program_of
        self.mappings: Mappings | None = None
        """What was recorded about processes, if anything was."""
        self._kernel: KernelSymbols | None = None
        self._bcc: Any = None
        self._caches: dict[Any, Any] = {}
        self._files: Any = None
        self._source: Any = None
        self._perf_maps: Any = None
        self._tables: dict[tuple[str, str], Any] = {}
        self._known: dict[tuple[int, str, int], tuple[str, int, str]] = {}

    # ------------------------------------------------------------ kernel
    def kernel(self, address: int, offset: bool = False) -> str:
        """`name`, `name+offset`, or the address."""
        if self._kernel is None:
            self._kernel = KernelSymbols()
        found = self._kernel.find(address)
        if found is None:
            return _number(address)
        return f"{found[0]}+{found[1]}" if offset else found[0]

    # ------------------------------------------------------------ user
    def user(self, address: int, pid: int, probe: int, offset: bool = False, perf: bool = False) -> str:
        """As `kernel` for an address of process `pid`; `perf` adds the file in parentheses."""
        return self._user(address, pid, _program(pid), probe, offset, perf)

    def _user(self, address: int, pid: int, program: str, probe: int, offset: bool, perf: bool) -> str:
        """As `user`; `program` is what the process runs now: exec gives addresses other names."""
        key = pid, program, address
        found = self._known.get(key)
        if found is None:
            found = self._find(address, pid, program, probe)
            if self._policy != "NONE" and found[0]:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[key] = found
        name, distance, module = found
        if not name:
            return _number(address) + (" ([unknown])" if perf else "")
        text = f"{name}+{distance}" if offset else name
        return f"{text} ({module})" if perf else text

    def _find(self, address: int, pid: int, alive: str, probe: int) -> tuple[str, int, str]:
        """(name, offset, file); name "" when nothing is known.  `alive`: the program of a living process."""
        program = alive or self._program_of(probe)
        found = None
        if self._policy == "PER_PROGRAM" and program:
            found = self._in_file(program, address)
        if not found and alive:
            found = self._in_process(pid, alive, address)
        if not found and alive:
            found = self._in_mapped(pid, alive, address)
        if not found and self.mappings is not None:
            place = self.mappings.find(pid, address)
            found = self._in_file(place[0], place[1], from_offset=True) if place else None
            found = (*found[:2], self.mappings.shown(found[2])) if found else None
        return found or self._in_perf_map(pid, bool(alive), address) or ("", 0, "")

    def _in_mapped(self, pid: int, program: str, address: int) -> tuple[str, int, str] | None:
        """In the file that a living process has mapped, wherever that is."""
        if self._files is None:
            from pytrace.runtime.process_files import ProcessFiles

            self._files = ProcessFiles()
        place = self._files.find(pid, program, address)
        if place is None:
            return None
        found = self._in_file(place[0], place[1], from_offset=True, owner=program)
        return (*found[:2], place[2]) if found else None

    def _in_perf_map(self, pid: int, alive: bool, address: int) -> tuple[str, int, str] | None:
        from pytrace.runtime.process_files import PerfMaps

        if self._perf_maps is None:
            self._perf_maps = PerfMaps()
        found: tuple[str, int, str] | None = self._perf_maps.find(pid, alive, address)
        return found

    def _in_process(self, pid: int, program: str, address: int) -> tuple[str, int, str] | None:
        """Through libbcc, by the mappings that the process has now."""
        if self._bcc is None:
            from pytrace.runtime.sys.libbcc import BccSymbols

            self._bcc = BccSymbols(self._demangle, self._lazy)
        key = program if self._policy == "PER_PROGRAM" else pid
        cache = self._caches.get(key)
        if cache is None:
            cache = self._bcc.open(pid)
            if self._policy != "NONE":
                self._caches[key] = cache
        try:
            found: tuple[str, int, str] | None = self._bcc.find(cache, address)
        finally:
            if self._policy == "NONE":
                self._bcc.close(cache, pid)
        return found

    def _in_file(
        self, path: str, address: int, from_offset: bool = False, owner: str = ""
    ) -> tuple[str, int, str] | None:
        """In a file's own symbol table, by address or by file offset; works when the process is gone.  `owner`: the
        program for which `path` means the file."""
        table = self._tables.get((path, owner))
        if table is None:
            from pytrace.runtime.symbol_table import SymbolTable

            table = self._tables[path, owner] = SymbolTable(path, self._demangle)
        found = table.at_offset(address) if from_offset else table.at(address)
        return (*found, path) if found else None

    # ------------------------------------------------------------ stacks
    def stack(self, stack: StackValue, mode: str) -> str:
        """The text of a stack: a newline, then a line a frame, innermost first."""
        return "\n" + "".join([line + "\n" for line in self._lines(stack, mode)])

    def _lines(self, stack: StackValue, mode: str) -> list[str]:
        if mode == "build_id":
            return [f"{f.id.hex()} 0x{f.value:02x}" if f.status == 1 else f"{f.value:x}" for f in stack.frames]
        lines = []
        program = _program(stack.pid) if stack.user and mode != "raw" else ""
        for address in stack.frames:
            if address == _FAILED:
                lines.append("        <unwind failure>")
                break
            if self._show_source and stack.user and mode != "raw":
                lines += self._source_frames(address, stack, mode, program, outer=bool(lines))
            else:
                lines.append(self._frame(address, stack, mode, program))
        return lines

    def _source_frames(self, address: int, stack: StackValue, mode: str, program: str, outer: bool) -> list[str]:
        """A frame with those of the functions inlined there in front, and their places in the source.

        `outer`: a caller's frame, whose address is behind its call."""
        plain = self._frame(address, stack, mode, program)
        place = self._place(address, stack.pid, program)
        if self._source is None:
            from pytrace.runtime.source_places import Sources

            self._source = Sources(self._demangle)
        frames = self._source.at(*place, outer) if place else []
        perf, lines = mode == "perf", []
        for n, (name, source) in enumerate(frames):
            if n == len(frames) - 1:
                lines.append(plain if perf else plain + source)
            else:
                lines.append(f"\t{address:x} {name} (inlined)" if perf else f"        [inlined] {name}{source}")
        return lines or [plain]

    def _place(self, address: int, pid: int, program: str) -> tuple[str, int, str] | None:
        """(what to open, offset in that file, the program that this holds for) of an address."""
        if program:
            if self._files is None:
                from pytrace.runtime.process_files import ProcessFiles

                self._files = ProcessFiles()
            found = self._files.find(pid, program, address)
            if found:
                return found[0], found[1], program
        gone = self.mappings.find(pid, address) if self.mappings is not None else None
        return (*gone, "") if gone else None

    def _frame(self, address: int, stack: StackValue, mode: str, program: str) -> str:
        if mode == "raw":
            return f"{address:x}"
        perf = mode == "perf"
        if stack.user:
            name = self._user(address, stack.pid, program, stack.probe, offset=True, perf=perf)
        else:
            name = self.kernel(address, offset=True)
        return f"\t{address:x} {name}" if perf else f"        {name}"


def _number(address: int) -> str:
    return f"0x{address:x}" if address else "0"


def _program(pid: int) -> str:
    """The file that a living process runs, "" when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""
