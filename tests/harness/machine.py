"""What this machine offers: named features, probed and never guessed from a kernel version.

In: a feature's name as test files write it after `needs:`.  Out: "" if it is there, else why it is not.  What a
newcomer would get wrong: a missing feature is a skip only where nobody asked for it.  PYTRACE_REQUIRE=a,b turns the
skip of a and b into a failure, and under CI every feature that may be missing must stand in tests/skips.
"""

from __future__ import annotations

import base64
import ctypes
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACING = Path("/sys/kernel/tracing")
VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")
PMU = Path("/sys/bus/event_source/devices")

BPF_PROG_LOAD = 5
BPF_PROG_TYPE_TRACING = 26
BPF_TRACE_FENTRY = 24
BPF_TRACE_ITER = 28
NR_BPF = {"x86_64": 321, "aarch64": 280}


def need(*features: str) -> None:
    """Skip the running test unless every feature is there; fail where the skip is not allowed."""
    required = set(filter(None, os.environ.get("PYTRACE_REQUIRE", "").split(",")))
    for feature in features:
        why = missing(feature)
        if not why:
            continue
        if feature in required:
            pytest.fail(f"{feature} is required here (PYTRACE_REQUIRE), and missing: {why}", pytrace=False)
        if os.environ.get("CI") and feature not in declared_skips():
            pytest.fail(f"{feature} is missing ({why}), and not declared in tests/skips", pytrace=False)
        pytest.skip(f"missing feature {feature}: {why}")


def lack(*features: str) -> None:
    """Skip the running test if one of the features is there: it shows what is said where they are missing."""
    for feature in features:
        if not missing(feature):
            pytest.skip(f"shows what is said about a missing feature {feature}, and it is there")


@cache
def declared_skips() -> frozenset[str]:
    """The features that CI's kernel does not have, from tests/skips: `feature  reason` a line, `#` comments."""
    lines = (ROOT / "tests" / "skips").read_text().splitlines()
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


@cache
def missing(feature: str) -> str:
    """Why `feature` is not available, or ""; KeyError for a name that nobody defined."""
    return PROBES[feature]()


def _path(path: Path | str) -> str:
    """The path must be there and open: in tracefs a file may look readable and refuse it."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return str(error)
    return ""


def _command(name: str) -> str:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return "" if shutil.which(name, path=path) else f"no command {name}"


def _in_btf(name: str) -> str:
    if why := _path(VMLINUX_BTF):
        return why
    return "" if name.encode() + b"\0" in VMLINUX_BTF.read_bytes() else f"the kernel's BTF has no {name}"


def _tracing_program(attach_type: int, function: str) -> str:
    """Try to load `return 0` as a BPF_PROG_TYPE_TRACING program on a kernel function."""
    try:
        libbpf = ctypes.CDLL("libbpf.so.1")
    except OSError as error:
        return f"could not tell: {error}"
    btf_id = libbpf.libbpf_find_vmlinux_btf_id(function.encode(), attach_type)
    if btf_id <= 0:
        return f"{function} is not in the kernel's BTF"
    code = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
    return _loads(BPF_PROG_TYPE_TRACING, code, attach_type, btf_id)


def _bcc() -> str:
    done = subprocess.run(["/usr/bin/python3", "-c", "import bcc"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "Debian's python3-bpfcc is not installed"


def _uprobe_multi() -> str:
    return _path(PMU / "uprobe") or _in_btf("bpf_uprobe_multi_link")


def _kprobe_multi() -> str:
    return _path(PMU / "kprobe") or _in_btf("bpf_kprobe_multi_link")


def _capability(number: int) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> number & 1:
            return ""
    return f"capability {number} is missing"


def _write_user() -> str:
    """Try to load a kprobe program that calls bpf_probe_write_user(0, a word on the stack, 8)."""
    rows = [(0x7A, 0x0A, -8, 0), (0xB7, 1, 0, 0), (0xBF, 0xA2, 0, 0), (0x07, 2, 0, -8), (0xB7, 3, 0, 8)]
    rows = [(0xB7, 0, 0, 0), *rows, (0x85, 0, 0, 36), (0xB7, 0, 0, 0), (0x95, 0, 0, 0)]
    return _loads(2, b"".join(struct.pack("<BBhi", *row) for row in rows))


def _loads(kind: int, code: bytes, attach_type: int = 0, btf_id: int = 0) -> str:
    """Try to load a program of a type (enum bpf_prog_type)."""
    insns, license_, attr = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL"), bytearray(116)
    places = (ctypes.addressof(insns), ctypes.addressof(license_))
    struct.pack_into("<IIQQ", attr, 0, kind, len(code) // 8, *places)
    struct.pack_into("<I", attr, 68, attach_type)
    struct.pack_into("<I", attr, 108, btf_id)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(NR_BPF[platform.machine()], BPF_PROG_LOAD, ctypes.create_string_buffer(bytes(attr), 116), 116)
    if fd < 0:
        return f"the kernel refuses the program: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return ""


def _kernel_variables() -> str:
    names = Path("/proc/kallsyms").read_bytes()
    return "" if b" process_counts\n" in names else "kallsyms has no variables (CONFIG_KALLSYMS_ALL)"


def _error_injection() -> str:
    return "" if os.path.exists("/sys/kernel/debug/error_injection") else "no functions with error injection"


def _netem() -> str:
    if why := _command("tc"):
        return why
    command = ["unshare", "-n", "/usr/sbin/tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "0%"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip()


def module_tree() -> Path:
    """The folder with the `lib/modules` of the running kernel: a virtual machine's is unpacked, not installed."""
    given = [word[8:] for word in Path("/proc/cmdline").read_text().split() if word.startswith("vm_tree=")]
    return Path(base64.b64decode(given[0]).decode()) if given else Path("/")


def _module() -> str:
    if why := _command("modprobe"):
        return why
    command = ["/usr/sbin/modprobe", "--dry-run", "-d", str(module_tree()), "sunrpc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 and os.path.exists("/proc/modules") else "no modules that could be loaded"


def _memory_cgroup() -> str:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return ""
        if kind == "cgroup2" and "memory" in (Path(folder) / "cgroup.controllers").read_text().split():
            return ""
    return "no memory cgroups are mounted"


def _skb_dynptr() -> str:
    from pytrace.runtime.machine import Machine

    name = "bpf_dynptr_from_skb"
    return "" if Machine().kfunc_allowed(name, "tracing") else f"raw tracepoints may not call {name} (Linux 6.12)"


def _vlan() -> str:
    command = ["unshare", "-n", "/usr/sbin/ip", "link", "add", "link", "lo", "name", "v5", "type", "vlan", "id", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if "Unknown device type" not in done.stderr else done.stderr.strip()


def cached() -> Path:
    """Where the test run keeps what it has fetched: the reference, kernels."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytrace-tests"


def _kernel() -> str:
    there = os.environ.get("VM_KERNEL") or list(cached().glob("linux-6.12/boot/vmlinuz-*"))
    return "" if there else "run tests/kernels/get once as root to fetch a kernel"


def reference() -> str:
    """The reference's command: on PATH, or as tests/conformance/reference installed it; "" if there is none."""
    installed = cached() / "bpftrace-reference"
    return shutil.which("bpftrace-reference") or (str(installed) if installed.exists() else "")


def shipped_tools() -> list[Path]:
    """The reference's own tools: of the folder that PYTRACE_SHIPPED_TOOLS names, of its package on this machine, or of
    the one that tests/conformance/reference installed."""
    asked = os.environ.get("PYTRACE_SHIPPED_TOOLS")
    folders = [asked] if asked else ["/usr/share/bpftrace/tools", "/usr/sbin", cached() / "sid" / "usr" / "sbin"]
    found = (sorted(Path(folder).glob("*.bt")) for folder in folders)
    return next((tools for tools in found if tools), [])


PROBES: dict[str, Callable[[], str]] = {
    "root": lambda: "" if os.geteuid() == 0 else "not root",
    "tracefs": lambda: _path(TRACING / "events"),
    "btf": lambda: _path(VMLINUX_BTF),
    "tracepoint": lambda: _path(TRACING / "events" / "syscalls"),
    "rawtracepoint": lambda: _path(TRACING / "events" / "sched") or _path(VMLINUX_BTF),
    "filter_functions": lambda: _path(TRACING / "available_filter_functions"),
    "uprobe": lambda: _path(PMU / "uprobe"),
    "uprobe_multi": _uprobe_multi,
    "kprobe": lambda: _path(PMU / "kprobe"),
    "kprobe_multi": _kprobe_multi,
    "kprobe_session": lambda: _path(PMU / "kprobe") or _in_btf("BPF_TRACE_KPROBE_SESSION"),
    "kernel_variables": _kernel_variables,
    "kfunc": lambda: _in_btf("bpf_task_from_pid"),
    "dpath": lambda: _in_btf("bpf_d_path"),
    "struct_arguments": lambda: _tracing_program(BPF_TRACE_FENTRY, "tcp_setsockopt"),
    "write_user": _write_user,
    "fentry": lambda: _tracing_program(BPF_TRACE_FENTRY, "vfs_read"),
    "iter": lambda: _tracing_program(BPF_TRACE_ITER, "task"),
    "error_injection": _error_injection,
    "sys_resource": lambda: _capability(24),
    "hardware": lambda: _path(PMU / "cpu"),
    "perf_software": lambda: _path(PMU / "software"),
    "loop": lambda: _path("/dev/loop-control") or _command("losetup"),
    "ext4": lambda: _command("mkfs.ext4") or ("" if "\text4\n" in Path("/proc/filesystems").read_text() else "no ext4"),
    "capability": lambda: _path(PMU / "kprobe") and _path(TRACING / "events" / "capability"),
    "netns": lambda: _command("ip") or _path("/proc/self/ns/net"),
    "netem": _netem,
    "skb_dynptr": _skb_dynptr,
    "tun": lambda: _path("/dev/net/tun"),
    "vlan": _vlan,
    "memory_cgroup": _memory_cgroup,
    "tcpdump": lambda: _command("tcpdump") or _command("ping"),
    "reference_tools": lambda: "the reference's package has no *.bt tools",
    "module": _module,
    "block": lambda: _path(TRACING / "events" / "block"),
    "ring_buffer": lambda: _in_btf("bpf_ringbuf_output"),
    "bcc": _bcc,
    "clang": lambda: _command("clang"),
    "gcc": lambda: _command("gcc"),
    "g++": lambda: _command("g++"),
    "gdb": lambda: _command("gdb"),
    "bash": lambda: _command("bash"),
    "zsh": lambda: _command("zsh"),
    "man": lambda: _command("man"),
    "mandoc": lambda: _command("mandoc"),
    "vim": lambda: _command("vim"),
    "strace": lambda: _command("strace"),
    "reference": lambda: "" if reference() else "run tests/conformance/reference once as root to install it",
    "shipped_tools": lambda: "" if shipped_tools() else "no *.bt; PYTRACE_SHIPPED_TOOLS may name their folder",
    "vm": lambda: _command("qemu-system-x86_64") or _kernel(),
}
