"""perf_event_open(2) and the events' ioctls.

Place in the pipeline: part of the seam (`Kernel`).  In: `PerfEvent`.  Out: an fd.  Source: struct perf_event_attr in
include/uapi/linux/perf_event.h, version 5 of it (112 bytes), which every kernel with BPF knows.
What a newcomer would get wrong: the fields at bytes 56 and 64 are unions, named here by what they hold for each
kind of event (a breakpoint's address, a probe's name or path, its offset).
"""

from __future__ import annotations

import fcntl
from struct import pack_into

from pytrace.runtime.sys import abi
from pytrace.runtime.sys.calls import address_of, address_of_bytes, call

_SIZE = 112


class PerfEvent:
    """What to open.  Give `period` (events or ns) or `frequency` (Hz), not both.  `flags`: further attribute bits.

    `config1`, `config2`: numbers, or a text whose address is passed.  `breakpoint`: bits of `abi.BREAKPOINT_MODES`.
    """

    def __init__(
        self, type: int, config: int = 0, period: int = 0, frequency: int = 0, *,
        config1: int | str = 0, config2: int = 0, breakpoint: int = 0, inherit: bool = False, disabled: bool = False,
        flags: int = 0, sample_type: int = 0,
    ) -> None:  # fmt: skip
        self.type = type
        self.config = config
        self.period = period
        self.frequency = frequency
        self.config1 = config1
        self.config2 = config2
        self.breakpoint = breakpoint
        self.inherit = inherit
        self.disabled = disabled
        self.flags = flags
        self.sample_type = sample_type


class PerfCalls:
    """Perf events."""

    def perf_event_open(self, event: PerfEvent, pid: int, cpu: int) -> int:
        """The event's fd (close-on-exec).  `pid` -1: every process, on `cpu`; `cpu` -1: wherever `pid` runs."""
        attr = bytearray(_SIZE)
        flags = event.flags | (abi.PERF_ATTR_DISABLED if event.disabled else 0)
        flags |= abi.PERF_ATTR_INHERIT if event.inherit else 0
        flags |= abi.PERF_ATTR_FREQ if event.frequency else 0
        text = event.config1.encode("latin-1") if isinstance(event.config1, str) else b""
        config1 = address_of_bytes(text) if isinstance(event.config1, str) else event.config1
        rate = event.frequency or event.period
        pack_into(
            "=IIQQQQQIIQQ", attr, 0, event.type, _SIZE, event.config, rate, event.sample_type, 0, flags, 0,
            event.breakpoint, config1, event.config2,
        )  # fmt: skip
        return call("perf_event_open", address_of(attr), pid, cpu, -1, abi.PERF_FD_CLOEXEC)

    def perf_enable(self, fd: int) -> None:
        fcntl.ioctl(fd, abi.PERF_IOC_ENABLE, 0)

    def perf_disable(self, fd: int) -> None:
        fcntl.ioctl(fd, abi.PERF_IOC_DISABLE, 0)

    def perf_set_program(self, fd: int, prog_fd: int) -> None:
        """Attach a program to an event without a link (before Linux 5.15)."""
        fcntl.ioctl(fd, abi.PERF_IOC_SET_BPF, prog_fd)
