"""Capture files in pcap's format, as tcpdump and Wireshark read them.

Place in the pipeline: behind the rows that write packets (`defs/functions/packets.py`, `captures.py`).  In: frames with
their times.  Out: a file that is valid whenever the run ends: its header is written when it is opened, each packet with
one call, and what a full disk leaves of one is taken away again (SIGKILL alone can cut the last one short).  Source:
draft-ietf-opsawg-pcap, and its registry of link types.  What a newcomer would get wrong: a packet has two lengths, that
of the bytes kept and that on the wire; and two calls with the same path mean the same file.
"""

from __future__ import annotations

import os
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.facets import Handling

ETHERNET, RAW_IP, COOKED = 1, 101, 276
"""Link types: LINKTYPE_ETHERNET, _RAW, _LINUX_SLL2."""
LONGEST = 262144
"""Bytes of a packet that readers accept: libpcap's MAXIMUM_SNAPLEN."""
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
"""What the file begins with says what the second half of its times counts."""
_STANDARD_OUTPUT = "-"


class WallClock:
    """Wall-clock times for those of the boot clock (bpf_ktime_get_boot_ns), also when somebody sets the wall clock."""

    def __init__(self) -> None:
        self._looked = -(1 << 62)
        self._zero = 0

    def of(self, boot: int) -> int:
        """Nanoseconds since 1970 of `boot`, nanoseconds since the start; the clocks are compared every second."""
        if boot - self._looked > 1_000_000_000:
            from time import CLOCK_BOOTTIME, clock_gettime_ns, time_ns

            self._looked = boot
            self._zero = time_ns() - clock_gettime_ns(CLOCK_BOOTTIME)
        return boot + self._zero


class PacketFile:
    """One capture file; "-" is standard output, and what else goes there then goes to standard error as long as the
    file is open.  Raises OSError when it cannot be opened.

    `failed` is called with the reason when it cannot be written on.
    """

    def __init__(
        self, path: str, link: int, longest: int, *, nanoseconds: bool, failed: Callable[[OSError], None]
    ) -> None:
        self.link = link
        self._failed = failed
        self.longest = longest
        self._unit = 1 if nanoseconds else 1000
        self._clock = WallClock()
        self._end = 0
        self._is_standard_output = path == _STANDARD_OUTPUT
        if self._is_standard_output:
            self._fd = os.dup(1)
            os.dup2(2, 1)
        else:
            self._fd = os.open(path.encode("latin-1"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        magic = _NANOSECONDS if nanoseconds else _MICROSECONDS
        self._write(pack("<IHHiIII", magic, 2, 4, 0, 0, longest, link))

    def add(self, boot: int, front: bytes, rest: memoryview, length: int) -> None:
        """One packet: `front` and `rest` are what was kept of its `length` bytes."""
        rest = rest[: max(0, self.longest - len(front))]
        front = front[: self.longest]
        kept = len(front) + len(rest)
        seconds, parts = divmod(self._clock.of(boot), 1_000_000_000)
        head = pack("<IIII", seconds, parts // self._unit, kept, max(length, kept))
        try:
            self._write(head + front, rest)
        except OSError as error:
            self._failed(error)

    def _write(self, head: bytes, rest: memoryview | bytes = b"") -> None:
        """All of it or nothing, with one call if possible.  Raises OSError."""
        done, size = 0, len(head) + len(rest)
        try:
            done = os.writev(self._fd, (head, rest))
            while done < size:
                done += os.write(self._fd, (head + bytes(rest))[done:])
        except OSError:
            from contextlib import suppress

            with suppress(OSError):  # what is no regular file keeps what it got
                os.ftruncate(self._fd, self._end)
                os.lseek(self._fd, self._end, os.SEEK_SET)
            raise
        self._end += done

    def close(self) -> None:
        if self._is_standard_output:
            os.dup2(self._fd, 1)
        os.close(self._fd)


def packet_file(rt: Handling, path: str, link: int, longest: int, *, nanoseconds: bool) -> PacketFile | None:
    """The file of that path, opened by whoever comes first; None, after a message, if that fails.

    A file that cannot be written on ends the run with status 1.
    """
    key = f"packets:{path}"
    if key not in rt.kept:

        def failed(error: OSError) -> None:
            rt.user_error(f"failed to write file '{path}' ({error.strerror})")
            rt.request_exit(1)

        try:
            rt.kept[key] = PacketFile(path, link, longest, nanoseconds=nanoseconds, failed=failed)
        except OSError as error:
            rt.kept[key] = None
            rt.user_error(f"failed to open file '{path}' ({error.strerror})")
    found: PacketFile | None = rt.kept[key]
    return found
