"""What the running kernel can do, found by trying it with the smallest program that shows it.

Place in the pipeline: under `runtime.machine` (`Target.feature`) and the `--info` report.  In: a feature's name.
Out: True, False, or None when it could not be told (no privileges, an error that has other causes).  What a newcomer
would get wrong: kernel versions are never compared; distributions move features between versions.  Each probe is made
once, when it is first asked for, and costs some 50 microseconds.
"""

from __future__ import annotations

import errno
import os
from struct import pack

from pytrace.runtime.sys import ProgramLoad, abi, kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.runtime.btf import Btf

# opcodes of bpf_insn (include/uapi/linux/bpf.h)
_MOV64_IMM, _MOV64_REG, _MOV32_REG, _EXIT, _CALL, _LD_IMM64 = 0xB7, 0xBF, 0xBC, 0x95, 0x85, 0x18
_KFUNC = 2  # BPF_PSEUDO_KFUNC_CALL
_HELPERS = {
    "get_func_ip": (173, "kprobe"),
    "bpf_loop": (181, "kprobe"),
    "map_lookup_percpu_elem": (195, "kprobe"),
    "get_tai_ns": (208, "kprobe"),
    "for_each_map_elem": (164, "kprobe"),
    "get_attach_cookie": (174, "kprobe"),
    "get_current_task_btf": (158, "kprobe"),
}
"""Feature -> (number of the helper, a program type that may call it)."""


def insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return pack("<BBhi", code, src << 4 | dst, off, imm)


_RETURN_ZERO = insn(_MOV64_IMM) + insn(_EXIT)


class Features:
    """Answers are kept.  `disabled`: names of --no-feature."""

    def __init__(self, btf: Callable[[], Btf | None], disabled: frozenset[str] = frozenset()) -> None:
        self._btf = btf
        self._disabled = disabled
        self._known: dict[str, bool | None] = {}

    def has(self, name: str) -> bool | None:
        """True, False, or None for what could not be told.  Raises KeyError for an unknown name."""
        if name not in self._known:
            self._known[name] = False if name in self._disabled else self._probe(name)
        return self._known[name]

    def _probe(self, name: str) -> bool | None:
        if name in _HELPERS:
            number, program_type = _HELPERS[name]
            return self._helper(number, program_type)
        if name.startswith("iter:"):
            return self._tracing("bpf_iter_" + name[5:], "trace_iter")
        return _PROBES[name](self)

    # ------------------------------------------------------------ ways of trying
    def _load(self, program_type: str, insns: bytes = _RETURN_ZERO, attach_type: str = "", btf_id: int = 0) -> int:
        """The fd of a program.  Raises OSError."""
        load = ProgramLoad(
            abi.PROGRAM_TYPES[program_type],
            insns,
            name="feature",
            attach_type=abi.ATTACH_TYPES[attach_type],
            attach_btf_id=btf_id,
        )
        return kernel.prog_load(load)[0]

    def _loads(
        self, program_type: str, insns: bytes = _RETURN_ZERO, attach_type: str = "", btf_id: int = 0
    ) -> bool | None:
        try:
            os.close(self._load(program_type, insns, attach_type, btf_id))
        except OSError as error:
            return _verdict(error)
        return True

    def _helper(self, number: int, program_type: str) -> bool | None:
        """Whether the verifier knows a helper: a call without arguments is refused, but with another text."""
        load = ProgramLoad(
            abi.PROGRAM_TYPES[program_type],
            insn(_CALL, imm=number) + _RETURN_ZERO,
            name="feature",
            log_level=1,
            log_size=4096,
        )
        try:
            os.close(kernel.prog_load(load)[0])
        except OSError as error:
            log = str(getattr(error, "log", ""))
            if not log:
                return _verdict(error)
            return not any(
                text in log for text in ("invalid func ", "unknown func ", "program of this type cannot use helper")
            )
        return True

    def kfunc(self, name: str, program_type: str) -> bool | None:
        """Whether programs of a type may call a kernel function: the verifier says so before it looks at arguments."""
        from pytrace.runtime.btf import TYPEDEF

        btf = self._btf()
        found = btf.find_func_id(name, "vmlinux") if btf else None
        if btf is None or found is None:
            return False
        attach_type, attach_to = "", 0
        if program_type == "tracing":
            traced = btf.find_func_id("btf_trace_sched_switch", "vmlinux", TYPEDEF)
            attach_type, attach_to = "trace_raw_tp", traced[0] if traced else 0
        load = ProgramLoad(
            abi.PROGRAM_TYPES[program_type], insn(_CALL, src=_KFUNC, imm=found[0]) + _RETURN_ZERO, name="feature",
            attach_type=abi.ATTACH_TYPES[attach_type], attach_btf_id=attach_to, log_level=1, log_size=4096,
        )  # fmt: skip
        try:
            os.close(kernel.prog_load(load)[0])
        except OSError as error:
            log = str(getattr(error, "log", ""))
            return "is not allowed" not in log if log else _verdict(error)
        return True

    def trampolines(self) -> bool | None:
        """False where fentry is refused whatever the function is: found without type information, which takes 25 ms."""
        try:
            os.close(self._load("tracing", attach_type="trace_fentry", btf_id=1))  # the id of no function
        except OSError as error:
            return _verdict(error) if error.errno == errno.EPERM else True
        return True

    def _tracing(self, function: str, attach_type: str) -> bool | None:
        btf = self._btf()
        found = btf.find_func_id(function, "vmlinux") if btf else None
        if found is None:
            return False
        return self._loads("tracing", attach_type=attach_type, btf_id=found[0])

    def raw_tracepoint_tracing(self) -> bool | None:
        """BPF_PROG_TYPE_TRACING for raw tracepoints."""
        from pytrace.runtime.btf import TYPEDEF

        btf = self._btf()
        found = btf.find_func_id("btf_trace_sched_switch", "vmlinux", TYPEDEF) if btf else None
        return False if found is None else self._loads("tracing", attach_type="trace_raw_tp", btf_id=found[0])

    def kprobe_multi(self) -> bool | None:
        return self._link("trace_kprobe_multi", lambda fd: kernel.link_kprobe_multi(fd, ["ksys_read"]), None)

    def kprobe_session(self) -> bool | None:
        return self._link(
            "trace_kprobe_session", lambda fd: kernel.link_kprobe_multi(fd, ["ksys_read"], session=True), None
        )

    def uprobe_multi(self) -> bool | None:
        """A folder cannot be probed: a kernel that gets as far as looking at the file answers EBADF."""
        return self._link("trace_uprobe_multi", lambda fd: kernel.link_uprobe_multi(fd, "/", [0]), errno.EBADF)

    def _link(self, attach_type: str, link: Callable[[int], int], expected: int | None) -> bool | None:
        try:
            program = self._load("kprobe", attach_type=attach_type)
        except OSError as error:
            return _verdict(error)
        try:
            os.close(link(program))
            return True
        except OSError as error:
            return error.errno == expected if expected is not None else _verdict(error)
        finally:
            os.close(program)

    def kprobe(self) -> bool | None:
        """Whether the kernel has kprobes at all."""
        try:
            kernel.read_text("/sys/bus/event_source/devices/kprobe/type")
        except OSError:
            return False
        return True

    def dpath(self) -> bool | None:
        """bpf_d_path: in tracing programs on the functions that the kernel lists, or at least in iterators."""
        found = self._dpath("dentry_open", "trace_fentry")
        return found or self._dpath("bpf_iter_task_file", "trace_iter") or found

    def _dpath(self, function: str, attach_type: str) -> bool | None:
        btf = self._btf()
        found = btf.find_func_id(function, "vmlinux") if btf else None
        if found is None:
            return False
        # r1 is no path: what the verifier says tells whether it got as far as looking at the arguments
        insns = insn(_MOV64_IMM, 2) + insn(_MOV64_IMM, 3) + insn(_CALL, imm=147) + _RETURN_ZERO
        load = ProgramLoad(
            abi.PROGRAM_TYPES["tracing"], insns, name="feature", attach_type=abi.ATTACH_TYPES[attach_type],
            attach_btf_id=found[0], log_level=1, log_size=4096,
        )  # fmt: skip
        try:
            os.close(kernel.prog_load(load)[0])
        except OSError as error:
            log = str(getattr(error, "log", ""))
            if not log:
                return _verdict(error)
            return not any(text in log for text in ("helper call is not allowed", "unknown func ", "invalid func "))
        return True

    def module_btf(self) -> bool | None:
        return os.path.isdir("/sys/kernel/btf") and kernel.next_id(abi.BTF_GET_NEXT_ID, 1) is not None

    def cpu_v4(self) -> bool | None:
        """The instructions of BPF CPU version 4: a sign-extending move (Linux 6.6)."""
        insns = insn(_MOV64_IMM, 1) + insn(_MOV64_REG, 0, 1, off=8) + insn(_EXIT)
        return self._loads("raw_tracepoint", insns)

    def large_programs(self) -> bool | None:
        """Programs of up to a million instructions for root, beyond the 4,096 of kernels before 5.2."""
        return self._loads("raw_tracepoint", insn(_MOV64_IMM) * 4100 + insn(_EXIT))

    def initial_pid_namespace(self) -> bool | None:
        """Whether this process is in the initial PID namespace: its inode is fixed (PROC_PID_INIT_INO, proc_ns.h)."""
        try:
            return kernel.pid_namespace()[1] == 0xEFFF_FFFC
        except OSError:
            return None

    def fentry(self) -> bool | None:
        return self._tracing("ksys_read", "trace_fentry")

    def iterators(self) -> bool | None:
        return self._tracing("bpf_iter_task", "trace_iter")


def _verdict(error: OSError) -> bool | None:
    """What a refusal means: EPERM is no answer when we lack privileges, but one when we have them all."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return False if os.geteuid() == 0 else None
    if error.errno in (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE):
        return None
    return False


_PROBES: dict[str, Callable[[Features], bool | None]] = {
    "raw_tracepoint_tracing": Features.raw_tracepoint_tracing,
    "kprobe": Features.kprobe,
    "kprobe_multi": Features.kprobe_multi,
    "kprobe_session": Features.kprobe_session,
    "uprobe_multi": Features.uprobe_multi,
    "dpath": Features.dpath,
    "module_btf": Features.module_btf,
    "cpu_v4": Features.cpu_v4,
    "large_programs": Features.large_programs,
    "initial_pid_namespace": Features.initial_pid_namespace,
    "trampolines": Features.trampolines,
    "fentry": Features.fentry,
    "iter": Features.iterators,
}
NAMES = (*_HELPERS, *_PROBES)
