"""Why the kernel refused a program: from its log to a short cause and the script's own line.

Place in the pipeline: called by the loader after a refusal.  In: the failed load.  Out: a VerifierError (or KernelError
when the verifier was not what refused).  What a newcomer would get wrong: the last lines of a log are a summary; the
cause stands before them, and the script's line is the last `; text @ file:line` (or `; text`, before Linux 6.4) before
the cause.
"""

from __future__ import annotations

import errno
import os

from pytrace.diagnostics import KernelError, VerifierError, VerifierLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.diagnostics import MachineError
    from pytrace.program import LineRow, ProgramSpec
    from pytrace.runtime.sys import Kernel, ProgramLoad

_SUMMARY = ("processed ", "verification time", "stack depth", "mark_precise")
_BTF_TROUBLE = ("line_info", "func_info", "Invalid name_offset", "Invalid line_info", "missing bpf_line_info")
_HELPER_REFUSALS = {
    "helper call is not allowed in probe": " not allowed in probe",
    "program of this type cannot use helper": " not allowed in probe",
    "unknown func": " not allowed in probe",
    "pointer arithmetic on ptr_or_null_ prohibited, null-check it first": (
        ": result needs to be null-checked before accessing fields"
    ),
}
_HELPER_NEEDS = {
    "bpf_override_return": (
        "override() needs a kernel with CONFIG_BPF_KPROBE_OVERRIDE, and a function that it lists as injectable"
        " (/sys/kernel/debug/error_injection/list).  strace -e inject=… lets system calls fail without it."
    ),
    "bpf_probe_write_user": (
        "write_user() needs CAP_SYS_ADMIN and a kernel that is not locked down (CONFIG_SECURITY_LOCKDOWN_LSM, mode"
        " integrity).  A debugger can write there: gdb -p PID -batch -ex 'set var …'."
    ),
    "bpf_d_path": (
        "the kernel allows path() in the probes of few functions: security_file_open, security_file_permission,"
        " security_inode_getattr, vfs_truncate, vfs_fallocate, dentry_open, vfs_getattr, filp_close; and in iterators."
        "  Elsewhere str(….f_path.dentry.d_name.name) is the name without its folders."
    ),
}
"""What a refused helper needs, and what may do instead (kernel: bpf_tracing_func_proto, btf_allowlist_d_path)."""
LARGEST_LOG = 1 << 24
"""Bytes; a log that does not fit into so many is not asked for again."""
_TOO_LARGE = "BPF program is too large"


def explain(kernel: Kernel, spec: ProgramSpec, load: ProgramLoad, first: OSError, log_size: int) -> MachineError:
    """Load again with a log and make the error.  `load`'s line information is dropped if that is what is refused."""
    log, number = _log_of(kernel, load, log_size)
    if any(text in log for text in _BTF_TROUBLE) and load.line_info:
        load.line_info = b""
        log, number = _log_of(kernel, load, log_size)
    number = first.errno or number
    if not log:
        return KernelError(f"Error loading BPF program for {spec.name}", number, advice=_advice(number, spec))
    line = _script_line(log, spec)
    message = _helper_message(log)
    if message:
        helper = message.removeprefix("helper ").split(" ", 1)[0]
        return VerifierError(message, cause=message, log=log, line=line, advice=_HELPER_NEEDS.get(helper, ""))
    message = _stack_message(log) or (
        f"Error loading BPF program for {spec.name}. Error code: -{number} ({os.strerror(number)})."
        " Use -v for full kernel error log."
    )
    return VerifierError(message, cause=cause_of(log), log=log, line=line)


def _log_of(kernel: Kernel, load: ProgramLoad, size: int) -> tuple[str, int]:
    """(log, errno) of a load that is expected to fail; a log that does not fit is asked for again, larger."""
    load.log_level = 1
    load.log_size = max(size, 4096)
    while True:
        try:
            fd, _ = kernel.prog_load(load)
        except OSError as error:
            log = getattr(error, "log", "")
            if error.errno == errno.ENOSPC and load.log_size < LARGEST_LOG and "processed " not in log[-400:]:
                load.log_size *= 4  # before Linux 6.4 a log that is too long loses its end, where the cause stands
                continue
            return log, error.errno or 0
        kernel.close(fd)
        return "", 0


def cause_of(log: str) -> str:
    """The verifier's own sentence: the last line that is neither summary, instruction, state nor source."""
    large = log.rfind(_TOO_LARGE)  # stands behind an instruction, in its line
    if large >= 0:
        return log[large:].split("\n", 1)[0]
    lines = [line.strip() for line in log.splitlines()]
    while lines and (not lines[-1] or lines[-1].startswith(_SUMMARY)):
        lines.pop()
    return next((line for line in reversed(lines) if not _is_trace(line)), lines[-1] if lines else "")


def _is_trace(line: str) -> bool:
    if not line or line.startswith((";", "from ", "R0=", "R1=")):
        return True
    number, colon, _ = line.partition(":")
    return bool(colon) and number.isdigit()


def _script_line(log: str, spec: ProgramSpec) -> VerifierLine | None:
    """The script's line nearest before the last instruction that the verifier looked at."""
    last = -1
    for line in log.splitlines():
        number, colon, rest = line.partition(":")
        if colon and number.isdigit() and rest.startswith(" ("):
            last = int(number)
    if last < 0:
        last = _named_address(log, spec)
    row: LineRow | None = None
    for candidate in spec.line_info:
        if candidate.index <= last and candidate.line:
            row = candidate
    if row is None:
        return None
    name = row.file or (spec.location.filename if spec.location else "script")
    end = max(row.end, row.column)
    where = f"{row.column}-{end}" if end > row.column else f"{row.column}"
    marker = " " * max(0, row.column - 1) + "~" * max(1, end - row.column)
    return VerifierLine(f"{name}:{row.line}:{where}", f"{row.text}\n{marker}\n" if row.text else "")


def _named_address(log: str, spec: ProgramSpec) -> int:
    """The instruction whose symbol the log speaks of: symbols are looked up before any instruction is; -1 without."""
    cause = cause_of(log)
    named = (r.index for r in spec.relocations if r.kind in ("ksym", "kfunc") and f"{r.name}'" in cause)
    return next(named, -1)


def _helper_message(log: str) -> str:
    """`helper bpf_d_path not allowed in probe`, when that is what happened."""
    for pattern, ending in _HELPER_REFUSALS.items():
        at = log.find(pattern)
        call = log.rfind(" call ", 0, at) if at >= 0 else -1
        if call >= 0:
            name, hash_sign, _ = log[call + 6 : log.find("\n", call)].partition("#")
            if hash_sign:
                return f"helper {name}{ending}"
    return ""


def _stack_message(log: str) -> str:
    at = log.find("stack size")
    if at >= 0 and "Too large" in log[at:]:
        return (
            "Stack size is too large. Trying moving some scratch variables into maps or try setting a lower "
            "on_stack_limit (e.g. `config = { on_stack_limit=16 }`)"
        )
    return ""


def _advice(number: int, spec: ProgramSpec) -> str:
    if number == errno.EPERM and spec.type == "tracing":
        return "this kernel does not allow programs of type tracing (fentry, fexit, iter, rawtracepoint)"
    if number == errno.EPERM:
        return "needs root, or CAP_BPF and CAP_PERFMON"
    if number == errno.EINVAL and spec.attach_type:
        return f"this kernel may not know programs of type {spec.type} for {spec.attach_type}"
    return ""
