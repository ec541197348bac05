"""What stands between the calls: signals that are delivered, and threads that end.

Place in the pipeline: used by `lines`.  In: numbers of the kernel's tracepoints.  Out: `--- SIGINT {...} ---` and
`+++ exited with 0 +++`.
"""

from __future__ import annotations

from pytrace.defs.syscalls.constants import ENUMS, signal_name

_SIGCHLD, _SIGSEGV = 17, 11
_FAULTS = (4, 7, 8, _SIGSEGV)
"""SIGILL, SIGBUS, SIGFPE, SIGSEGV: the kernel says where."""


def delivered(number: int, code: int, first: int, second: int) -> str:
    """A signal with what its siginfo_t says; `first` and `second` are the words behind si_code."""
    name = signal_name(number)
    table = {_SIGCHLD: "child code", _SIGSEGV: "fault code"}.get(number, "signal code") if code > 0 else "signal code"
    parts = [f"si_signo={name}", f"si_code={ENUMS[table].get(code) or ENUMS['signal code'].get(code, code)}"]
    if number in _FAULTS and code > 0 and code != 128:
        parts.append(f"si_addr={hex(first & 2**64 - 1) if first else 'NULL'}")
    elif code != 128:
        parts += [f"si_pid={first & 0xFFFFFFFF}", f"si_uid={first >> 32 & 0xFFFFFFFF}"]
        if number == _SIGCHLD and code > 0:
            status = second & 0xFFFFFFFF
            parts.append(f"si_status={status if code == 1 else signal_name(status)}")
    return f"--- {name} {{{', '.join(parts)}}} ---"


def ended(status: int) -> str:
    """How a thread ended, by its status as wait(2) gives it."""
    signal = status & 0x7F
    if signal:
        return f"+++ killed by {signal_name(signal)}{' (core dumped)' if status & 0x80 else ''} +++"
    return f"+++ exited with {status >> 8 & 0xFF} +++"
