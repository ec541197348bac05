"""Dynamic probes: kprobes and uprobes, one by one through perf events, or many through a multi link.

Place in the pipeline: see `runtime.attach`.  In: names, paths and file offsets that the rows have resolved.  Out:
Links. Raises KernelError.  What a newcomer would get wrong: a program for a multi link is loaded with another
`expected_attach_type` than one for a perf event, so which of the two is used was decided when it was compiled.
"""

from __future__ import annotations

import errno

from pytrace.diagnostics import KernelError, MachineError
from pytrace.runtime.attach.perf import open_link
from pytrace.runtime.link import Link, refused
from pytrace.runtime.sys import PerfEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.link import Attacher
    from pytrace.runtime.sys import Kernel

_SOURCES = "/sys/bus/event_source/devices/"
_REFERENCE_COUNTER_SHIFT = 32  # format/ref_ctr_offset of the uprobe PMU: config:32-63


def _source(kernel: Kernel, name: str) -> tuple[int, int]:
    """(perf type, bit of `config` for return probes) of the `kprobe` or `uprobe` event source."""
    try:
        kind = int(kernel.read_text(f"{_SOURCES}{name}/type"))
    except OSError:
        advice = f"CONFIG_{name.upper()}_EVENTS is off; a tracepoint may do: -l 'tracepoint:*'"
        raise MachineError(f"This kernel has no {name}s.", advice=advice) from None
    try:
        bit = int(kernel.read_text(f"{_SOURCES}{name}/format/retprobe").strip().removeprefix("config:"))
    except (OSError, ValueError):
        bit = 0
    return kind, 1 << bit


def attach_kprobe(
    session: Attacher, prog_fd: int, function: str, *,
    module: str = "", offset: int = 0, address: int = 0, returns: bool = False,
) -> Link:  # fmt: skip
    """Attach to a kernel function (+ `offset`), or to an `address` when there is no function."""
    kind, bit = _source(session.kernel, "kprobe")
    name = f"{module}:{function}" if module and module != "vmlinux" else function
    event = PerfEvent(kind, bit if returns else 0, period=1, config1=name or 0, config2=offset if name else address)
    where = f"{name}+{offset}" if offset else name or hex(address)
    advice = {
        errno.EILSEQ: "Possible attachment attempt in the middle of an instruction, try a different offset.",
        errno.ENOENT: "there is no such kernel function",
        errno.EADDRNOTAVAIL: "there is no such kernel function",
        errno.EINVAL: "the kernel does not allow a probe there",
    }
    try:
        return open_link(session.kernel, event, -1, [0], prog_fd, f"Failed to attach to {where}", advice)
    except KernelError as error:
        if error.errno == errno.EILSEQ:  # what its text says, about multibyte characters, helps nobody
            raise MachineError(advice[errno.EILSEQ]) from None
        raise


def attach_kprobe_multi(
    session: Attacher, prog_fd: int, functions: list[str], *,
    cookies: list[int] | None = None, returns: bool = False, session_link: bool = False,
) -> Link:  # fmt: skip
    """Attach to all `functions` at once; `session_link`: one program at entry and return (Linux 6.10)."""
    kernel = session.kernel
    try:
        fd = kernel.link_kprobe_multi(prog_fd, functions, cookies, returns=returns, session=session_link)
    except OSError as error:
        advice = {errno.EINVAL: "kprobe_multi links need Linux 5.18 and CONFIG_FPROBE", errno.ESRCH: "unknown function"}
        raise refused(f"Failed to attach to {len(functions)} kernel functions", error, advice) from None
    return Link(kernel, [fd], count=len(functions))


def attach_uprobe(
    session: Attacher, prog_fd: int, path: str, offset: int, *, returns: bool = False, ref_ctr_offset: int = 0,
    cookie: int = 0, pid: int | None = None,
) -> Link:  # fmt: skip
    """Attach at a file `offset` of `path`, in every process or in `pid` (None: the traced one).

    `ref_ctr_offset`: file offset of a USDT semaphore.
    """
    kind, bit = _source(session.kernel, "uprobe")
    config = (bit if returns else 0) | ref_ctr_offset << _REFERENCE_COUNTER_SHIFT
    event = PerfEvent(kind, config, period=1, config1=path, config2=offset)
    pid = session.target_pid if pid is None else pid
    what = f"Failed to attach to {path} at {offset:#x}"
    where, cpu = (-1, 0) if pid is None else (pid, -1)
    return open_link(session.kernel, event, where, [cpu], prog_fd, what, _uprobe_advice(path), cookie=cookie)


def attach_uprobe_multi(
    session: Attacher, prog_fd: int, path: str, offsets: list[int], *, cookies: list[int] | None = None,
    ref_ctr_offsets: list[int] | None = None, returns: bool = False, pid: int | None = None,
) -> Link:  # fmt: skip
    """Attach at many file offsets of `path` at once; arguments as for `attach_uprobe`."""
    kernel = session.kernel
    pid = session.target_pid if pid is None else pid
    try:
        fd = kernel.link_uprobe_multi(prog_fd, path, offsets, cookies, ref_ctr_offsets, pid or 0, returns=returns)
    except OSError as error:
        raise refused(f"Failed to attach to {len(offsets)} places of {path}", error, _uprobe_advice(path)) from None
    return Link(kernel, [fd], count=len(offsets))


def _uprobe_advice(path: str) -> dict[int, str]:
    return {
        errno.ENOENT: f"{path} does not exist",
        errno.EINVAL: "the offset is not in the file's code, or the kernel does not allow a probe on that instruction",
        errno.EILSEQ: "the offset is not at the start of an instruction",
        errno.ESRCH: "the process has ended",
        errno.EIO: f"{path} cannot be read as a program",
    }
