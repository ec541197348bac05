"""Filling the tables by which a program unwinds user stacks, for the processes that it will meet.

Place in the pipeline: owned by the Session of a Program with `unwinding.PLACES` among its maps.  In: processes.  Out:
elements of its maps; layouts and meaning are in `pytrace.unwinding`.  What a newcomer would get wrong: a table belongs
to a file and is made once, whatever maps it and how often; what belongs to a process are its places, one for each
power of two of pages that a mapping consists of, since that is what the kernel's prefix trie can find.
"""

from __future__ import annotations

from array import array
from struct import Struct, pack
from time import monotonic

from pytrace import unwinding
from pytrace.diagnostics import KernelError
from pytrace.runtime import unwind_rules
from pytrace.runtime.binaries import through_root
from pytrace.runtime.eh_frame import UnwindError
from pytrace.runtime.elf import ElfError, ElfFile
from pytrace.runtime.sys import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytrace.runtime.child import Child
    from pytrace.runtime.sys import Kernel

_PERIOD = 0.5
_KEY, _PLACE = Struct(unwinding.PLACE_KEY), Struct(unwinding.PLACE)
_VDSO = "[vdso]"

Place = tuple[int, int, int]
"""As `unwinding.PLACE`."""
_UNKNOWN: Place = (unwinding.NO_TABLE, 0, 0)


class _Mapping:
    """A line of /proc/PID/maps: executable, from `start` to `end`, `offset` in the file.  `file`: its identity."""

    __slots__ = ("end", "file", "offset", "path", "start")

    def __init__(self, start: int, end: int, offset: int, file: tuple[str, str, str], path: str) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.file = file
        self.path = path


class Unwinder:
    """The tables of one run.  `maps`: the fds by name.  Methods raise KernelError only where the kernel refuses a map;
    what cannot be read of a process or file is left out, and stacks end there."""

    def __init__(self, kernel: Kernel, maps: Mapping[str, int]) -> None:
        self._kernel = kernel
        self._maps = maps
        self._tables: dict[tuple[str, str, str], Place] = {}
        """By file: number of the table, of its pairs, and 0."""
        self._places: dict[int, dict[tuple[int, int], Place]] = {}
        """By process, then by (number of bits, address)."""
        self._seen: dict[int, str] = {}
        self._next_look = 0.0

    # ---------------------------------------------------------------- processes
    def expect(self, pid: int) -> None:
        """A process that has nothing yet that could be unwound, but will: the command of -c before its start."""
        self._place(pid, {(0, 0): _UNKNOWN})

    def add(self, pid: int) -> None:
        """Make or renew the tables of a process.  One that does not exist counts as known, without any."""
        try:
            text = self._kernel.read_text(f"/proc/{pid}/maps")
        except OSError:
            text = ""
        if self._seen.get(pid) == text:
            return
        self._seen[pid] = text
        wanted: dict[tuple[int, int], Place] = {(0, 0): _UNKNOWN}
        for mapping in _executable(text):
            table, size, _ = self._table(pid, mapping)
            place = table, size, (mapping.offset - mapping.start) & (1 << 64) - 1
            for prefix in prefixes(mapping.start, mapping.end):
                wanted[prefix] = place
        self._place(pid, wanted)

    def _place(self, pid: int, wanted: dict[tuple[int, int], Place]) -> None:
        before = self._places.get(pid, {})
        for prefix in before.keys() - wanted.keys():
            self._kernel.map_delete(self._maps[unwinding.PLACES], _key(pid, prefix))
        for prefix, place in wanted.items():
            if before.get(prefix) != place:
                self._put(unwinding.PLACES, _key(pid, prefix), _PLACE.pack(*place))
        self._places[pid] = wanted

    def start(self, child: Child) -> None:
        """Run the command of -c with tables from its first instruction on, and those of its libraries from its entry
        point on."""
        child.run(stop_at_exec=True)
        self.add(child.pid)
        child.run_to_entry()
        self.add(child.pid)
        child.resume()

    def look(self) -> None:
        """Have processes loaded something?  To be called often."""
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + _PERIOD
            for pid in list(self._seen):
                if self._seen[pid]:
                    self._renew(pid)

    def _renew(self, pid: int) -> None:
        """As `add`, but what is known of a process that has ended stays: its last events may still be on their way."""
        try:
            self._kernel.read_text(f"/proc/{pid}/maps")
        except OSError:
            return
        self.add(pid)

    # ---------------------------------------------------------------- files
    def _table(self, pid: int, mapping: _Mapping) -> Place:
        found = self._tables.get(mapping.file)
        if found is None:
            found = self._tables[mapping.file] = self._make(pid, mapping)
        return found

    def _make(self, pid: int, mapping: _Mapping) -> Place:
        number = sum(table != unwinding.NO_TABLE for table, _, _ in self._tables.values())
        if number >= unwinding.MOST_TABLES:
            return _UNKNOWN
        try:
            elf = _open(pid, mapping)
            table = unwind_rules.table(elf)
        except (ElfError, UnwindError, OSError, ValueError):
            return _UNKNOWN
        count = len(table.places) // 2
        if not count:
            return _UNKNOWN
        self._fill(unwinding.TABLES, number, unwinding.PAIR_SIZE, table.places.tobytes())
        self._fill(unwinding.RULES, number, unwinding.RULE_SIZE, b"".join(table.rules))
        build_id = bytes.fromhex(elf.build_id())[:20]
        if build_id and unwinding.IDS in self._maps:
            element = (pack("<I", 1) + build_id).ljust(unwinding.ID_SIZE, b"\0")
            self._put(unwinding.IDS, pack("<I", number), element)
        return number, count, 0

    def _fill(self, name: str, number: int, size: int, data: bytes) -> None:
        """Make the array of table `number` in a map of maps."""
        count, kernel = len(data) // size, self._kernel
        try:
            fd = kernel.map_create(abi.MAP_TYPES["array"], 4, size, count, abi.INNER_MAP, "unwind")
            try:
                keys = array("I", range(count)).tobytes()
                kernel.map_update_batch(fd, keys, data, count)
                self._put(name, pack("<I", number), pack("<I", fd))
            finally:
                kernel.close(fd)
        except OSError as error:
            raise KernelError("Failed to make the tables of dw_ustack", error.errno or 0) from None

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        try:
            self._kernel.map_update(self._maps[name], key, value)
        except OSError as error:
            raise KernelError("Failed to fill the tables of dw_ustack", error.errno or 0) from None


def _key(pid: int, prefix: tuple[int, int]) -> bytes:
    bits, address = prefix
    return _KEY.pack(32 + bits, pid, address.to_bytes(8, "big"))


def prefixes(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(number of bits, address) of the aligned powers of two that an address range consists of."""
    while start < end:
        size = start & -start if start else 1 << 63
        while size > end - start:
            size >>= 1
        yield 65 - size.bit_length(), start
        start += size


def _executable(text: str) -> Iterator[_Mapping]:
    for line in text.splitlines():
        span, access, offset, device, inode, *path = line.split(None, 5)
        if "x" in access and path and (path[0].startswith("/") or path[0] == _VDSO):
            start, end = (int(part, 16) for part in span.split("-"))
            yield _Mapping(start, end, int(offset, 16), (device, inode, path[0]), path[0])


def _open(pid: int, mapping: _Mapping) -> ElfFile:
    """The file of a mapping.  The kernel's page with system calls is in no file, but the same for all processes."""
    if mapping.path == _VDSO:
        return ElfFile(_VDSO, _memory(pid, mapping.start, mapping.end - mapping.start))
    if mapping.path.endswith(" (deleted)"):
        return ElfFile(f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}")
    return ElfFile(through_root(pid, mapping.path.encode("latin-1").decode("utf-8", "surrogateescape")))


def _memory(pid: int, address: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(address)
        return file.read(size)
