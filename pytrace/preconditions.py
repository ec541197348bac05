"""What must hold before anything runs: the privileges, and the process that -p names.

Place in the pipeline: called by the command line and by `driver`, before the first stage.  In: the process's own
capabilities, an argument.  Out: nothing, or a PID; errors in the reference's words.  What a newcomer would get wrong:
being root is not enough (a container takes capabilities away) and not needed either.
"""

from __future__ import annotations

import os
import sys

from pytrace.diagnostics import MachineError, UsageError

_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 1, 2, 21, 38, 39


def check_privileges() -> None:
    """Root, or the capabilities of spec 06 §2.  Raises MachineError naming the first that is missing."""
    with open("/proc/self/status") as f:
        held = next((int(line.split()[1], 16) for line in f if line.startswith("CapEff:")), 0)
    needed = [("CAP_BPF", _CAP_BPF, True), ("CAP_PERFMON", _CAP_PERFMON, True)]
    if os.geteuid() != 0:
        needed += [("CAP_DAC_READ_SEARCH", _CAP_DAC_READ_SEARCH, False), ("CAP_DAC_OVERRIDE", _CAP_DAC_OVERRIDE, False)]
    for name, bit, in_sys_admin in needed:
        if not (held >> bit & 1 or (in_sys_admin and held >> _CAP_SYS_ADMIN & 1)):
            raise MachineError(f"Missing {name} capability, please run {_command()} as the root user.", exit_status=1)
    try:
        with open("/sys/kernel/security/lockdown") as f:
            if "[confidentiality]" in f.read():
                raise MachineError(
                    "Kernel lockdown is enabled and set to 'confidentiality', which keeps BPF from kernel memory.",
                    advice="boot with lockdown=integrity or without lockdown, often by turning Secure Boot off",
                    exit_status=1,
                )
    except OSError:
        return


def _command() -> str:
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name if name and not name.startswith("__main__") else "pytrace"


_HIGHEST_PID = 0x400000


def _unsigned(text: str) -> int:
    """An integer as strtoull(3) reads it, all of it.  Raises UsageError in the reference's words."""
    from re import match

    found = match(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text)
    if not found:
        raise UsageError(f"Failed to parse pid: invalid integer: {text}")
    if found.end() < len(text):
        raise UsageError(f"Failed to parse pid: invalid trailing bytes: {text}")
    digits = found[2]
    value = int(digits, 8) if digits[0] == "0" and digits.isdecimal() else int(digits, 0)
    return -value % 2**64 if found[1] == "-" else value


def checked_pid(text: str, *, alive: bool = True) -> int | None:
    """The PID of -p, which must name a live process (that of --dwarf-pid need not).  Raises UsageError as the reference
    words it."""
    if not text:
        return None
    pid = _unsigned(text)
    if pid > _HIGHEST_PID:
        raise UsageError(f"Pid out of range: {pid}")
    if not alive:
        return pid
    try:
        os.close(os.pidfd_open(pid))
    except OSError as error:
        raise UsageError(f"Failed to attach to pid: Unable to open pidfd ({error.strerror})") from None
    return pid
