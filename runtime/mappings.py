"""Which file lay where in a process: kept, so that addresses have names when the process is gone.

Place in the pipeline: started by the output before the first process runs, asked by `runtime.symbols`; only for scripts
with user symbols.  In: the kernel's own records of exec, fork and executable mappings (perf_event_open(2): a dummy
event with `mmap`, `comm_exec` and `task`).  Out: (file, offset) of an address.  What a newcomer would get wrong: there
is a ring for each CPU and a process moves between them, so records are put in order by their time stamps before they
are applied.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct, unpack_from
from time import monotonic

from pytrace.runtime.sys import kernel
from pytrace.runtime.sys.perf import PerfEvent
from pytrace.runtime.vdso import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.sys import Kernel

_SOFTWARE, _DUMMY = 1, 9  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY
_MMAP, _COMM, _TASK, _SAMPLE_ID_ALL, _MMAP2, _COMM_EXEC = 1 << 8, 1 << 9, 1 << 13, 1 << 18, 1 << 23, 1 << 24
_SAMPLE_TIME = 1 << 2
_RECORD_MMAP, _RECORD_COMM, _RECORD_FORK, _RECORD_MMAP2 = 1, 3, 7, 10
_MISC_EXEC = 1 << 13
_PAGE = mmap.PAGESIZE
_PAGES = 16
_HEAD, _TAIL = 1024, 1032  # data_head, data_tail of struct perf_event_mmap_page
_PERIOD = 0.2
_MOST_PROCESSES = 4096

_HEADER = Struct("<IHH").unpack_from
_PLACE = Struct("<IIQQQ").unpack_from
_FORK = Struct("<IIII").unpack_from
_INODE = Struct("<Q").unpack_from
_MOST_FOREIGN = 256
_AT_ONCE = 128

Mapping = tuple[int, int, int, str]
"""(start, end, file offset of start, path)"""


class Mappings:
    """Recorder of executable mappings.  `pid` None: every process; else that one and, with `inherit`, those it starts.

    Where the kernel refuses, it records nothing.
    """

    def __init__(self, pid: int | None, inherit: bool, system: Kernel = kernel) -> None:
        self._known: dict[int, list[Mapping]] = {}
        self._rings: list[tuple[int, mmap.mmap]] = []
        self._next = 0.0
        self._foreign: dict[str, tuple[int, str]] = {}
        """Files that have another name here, or none: what stands for them in `_known` -> (fd, path over there)."""
        flags = _MMAP | _MMAP2 | _COMM | _TASK | _SAMPLE_ID_ALL | _COMM_EXEC
        event = PerfEvent(_SOFTWARE, _DUMMY, flags=flags, sample_type=_SAMPLE_TIME, inherit=inherit)
        for cpu in system.online_cpus():
            try:
                fd = system.perf_event_open(event, -1 if pid is None else pid, cpu)
                self._rings.append((fd, mmap.mmap(fd, (1 + _PAGES) * _PAGE)))
            except OSError:
                break
        self._comparable = _has_true_inodes()
        self._unread: list[str] = []
        """Processes that ran before, whose mappings are still to be read."""
        if pid is not None:
            self._read(pid)
        elif self._rings:
            self._unread = [name for name in os.listdir("/proc") if name.isdigit()]

    def close(self) -> None:
        for fd, ring in self._rings:
            ring.close()
            os.close(fd)
        self._rings.clear()
        for fd, _ in self._foreign.values():
            os.close(fd)
        self._foreign.clear()

    # -------------------------------------------------------- records

    def poll(self) -> None:
        """Empty the rings, now and then: to be called often."""
        now = monotonic()
        if now >= self._next:
            self._next = now + _PERIOD
            self._read_some()
            self.update()

    def _read_some(self) -> None:
        """Some of the processes that ran before: all at once would hold up events on a large machine."""
        for name in self._unread[-_AT_ONCE:]:
            self._read(int(name))
        del self._unread[-_AT_ONCE:]

    def _read(self, pid: int) -> None:
        """What a process has mapped; what was recorded meanwhile stays the newest."""
        rows = [
            (start, end, at, self._here(pid, path, inode, f"{start:x}-{end:x}"))
            for start, end, at, inode, path in _executable(pid)
        ]
        self._known[pid] = rows + self._known.get(pid, [])

    def update(self) -> None:
        """Apply all records that there are."""
        records: list[tuple[int, int, int, bytes]] = []
        for _, ring in self._rings:
            records += _drain(ring)
        records.sort(key=lambda r: r[0])
        for _, kind, misc, body in records:
            self._apply(kind, misc, body)
        while len(self._known) > _MOST_PROCESSES:
            del self._known[next(iter(self._known))]

    def _apply(self, kind: int, misc: int, body: bytes) -> None:
        if kind == _RECORD_MMAP:
            pid, _, start, length, offset = _PLACE(body)
            path = body[32:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            self._known.setdefault(pid, []).append((start, start + length, offset, path))
        elif kind == _RECORD_MMAP2:
            pid, _, start, length, offset = _PLACE(body)
            path = body[64:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            path = self._here(pid, path, _INODE(body, 40)[0], f"{start:x}-{start + length:x}")
            self._known.setdefault(pid, []).append((start, start + length, offset, path))
        elif kind == _RECORD_COMM and misc & _MISC_EXEC:
            self._known[unpack_from("<I", body)[0]] = []
        elif kind == _RECORD_FORK:
            pid, parent, _, _ = _FORK(body)
            if pid != parent and parent in self._known:
                self._known[pid] = list(self._known[parent])

    def _here(self, pid: int, path: str, inode: int, place: str) -> str:
        """A name for file `path` of a process that may have another root: the path itself if it is the same file here,
        else what leads to the file, held open, and "" when the process is gone already.  `place`: the mapping's
        name in /proc/PID/map_files."""
        if not self._comparable or not path.startswith("/") or _inode(path) == inode:
            return path
        key = f"{inode}:{path}"
        if key in self._foreign:
            return f"/proc/self/fd/{self._foreign[key][0]}"
        if len(self._foreign) >= _MOST_FOREIGN:
            return ""
        for there in (f"/proc/{pid}/root{path}", f"/proc/{pid}/map_files/{place}"):
            try:
                fd = os.open(there, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError:
                continue
            if os.fstat(fd).st_ino == inode:
                self._foreign[key] = fd, path
                return f"/proc/self/fd/{fd}"
            os.close(fd)
        return ""

    # -------------------------------------------------------- questions

    def shown(self, path: str) -> str:
        """The path that a file had in its process."""
        return next((name for fd, name in self._foreign.values() if path == f"/proc/self/fd/{fd}"), path)

    def find(self, pid: int, address: int) -> tuple[str, int] | None:
        """(what to open, offset in that file) of an address of process `pid`; `shown` has the path for the user."""
        self.update()
        for start, end, offset, path in reversed(self._known.get(pid, ())):  # the latest mapping covers earlier ones
            if start <= address < end:
                named = path.startswith("/") or is_ours(path, start)
                return (path, address - start + offset) if named else None
        return None


def _has_true_inodes() -> bool:
    """Whether a mapping has the inode number that stat(2) gives: not on every overlay file system."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                _, access, _, _, inode, *path = line.rstrip("\n").split(None, 5)
                if "x" in access and path and path[0].startswith("/"):
                    return _inode(path[0]) == int(inode)
    except OSError:
        pass
    return False


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def current(pid: int) -> Iterator[Mapping]:
    """The executable mappings that a process has now."""
    return ((start, end, offset, path) for start, end, offset, _, path in _executable(pid))


def _executable(pid: int) -> Iterator[tuple[int, int, int, int, str]]:
    """(start, end, file offset, inode, path) of the executable mappings that a process has now."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as f:
            lines = f.readlines()
    except OSError:
        return
    for line in lines:
        span, access, offset, _, inode, *path = line.rstrip("\n").split(None, 5)
        if "x" in access and path:
            start, end = (int(part, 16) for part in span.split("-"))
            yield start, end, int(offset, 16), int(inode), path[0].removesuffix(" (deleted)")


def _drain(ring: mmap.mmap) -> list[tuple[int, int, int, bytes]]:
    """(time, type, misc, body) of all complete records; they end with their time stamp (sample_id_all)."""
    (head,), (tail,) = unpack_from("<Q", ring, _HEAD), unpack_from("<Q", ring, _TAIL)
    if head == tail:
        return []
    size = _PAGES * _PAGE
    start, end = tail % size, head % size
    data = ring[_PAGE + start : _PAGE + (end if start < end else size)]
    if start >= end:
        data += ring[_PAGE : _PAGE + end]
    found, at = [], 0
    while at + 16 <= len(data):
        kind, misc, length = _HEADER(data, at)
        if length < 16:
            break
        found.append((unpack_from("<Q", data, at + length - 8)[0], kind, misc, data[at + 8 : at + length - 8]))
        at += length
    ring[_TAIL : _TAIL + 8] = head.to_bytes(8, "little")
    return found
