"""Bytes that were copied, as text: strings as strace quotes them, and the structs that calls take and fill in.

Place in the pipeline: used by `arguments`.  In: bytes.  Out: text.  What a newcomer would get wrong: strace abbreviates
(`struct stat` shows two members and `...`), and so do these.  Layouts are those of the x86_64 kernel's headers.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.defs.syscalls.constants import ENUMS, FLAGS, file_mode, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Show = Callable[[bytes], str]

_PLAIN = bytes(b for b in range(32, 127) if b not in b'"\\')
_ESCAPES = {ord("\n"): "\\n", ord("\t"): "\\t", ord("\v"): "\\v", ord("\f"): "\\f", ord("\r"): "\\r", ord('"'): '\\"',
            ord("\\"): "\\\\"}  # fmt: skip


def quoted(data: bytes, cut: bool = False, hexadecimal: bool = False) -> str:
    """`"text\\n"`, with `...` behind it if more was there.  `hexadecimal`: all bytes so, if one is not printable."""
    more = "..." if cut else ""
    if not data.translate(None, _PLAIN):
        return f'"{data.decode("ascii")}"{more}'
    if hexadecimal and any(b not in _PLAIN and b not in _ESCAPES for b in data):
        return in_hexadecimal(data, cut)
    parts = []
    for at, byte in enumerate(data):
        if byte in _PLAIN:
            parts.append(chr(byte))
        elif byte in _ESCAPES:
            parts.append(_ESCAPES[byte])
        else:  # as few digits as can be, unless the next character is one
            full = data[at + 1 : at + 2] in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7")
            parts.append(f"\\{byte:03o}" if full else f"\\{byte:o}")
    return '"' + "".join(parts) + f'"{more}'


def in_hexadecimal(data: bytes, cut: bool = False) -> str:
    """`"\\x00\\x7f"`"""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"' + ("..." if cut else "")


def pointer(value: int) -> str:
    return hex(value) if value else "NULL"


def _stat(data: bytes) -> str:
    """struct stat (asm/stat.h): a device's number instead of a size."""
    mode, device, size = unpack_from("<24xI12xqq", data)
    if mode & 0o170000 in (0o020000, 0o060000):
        return f"{{st_mode={file_mode(mode)}, st_rdev={_device(device)}, ...}}"
    return f"{{st_mode={file_mode(mode)}, st_size={size}, ...}}"


def _device(number: int) -> str:
    major = number >> 8 & 0xFFF | number >> 32 & ~0xFFF
    minor = number & 0xFF | number >> 12 & ~0xFF & 0xFFFFFFFF
    return f"makedev({major:#x}, {minor:#x})".replace("0x0,", "0,").replace("0x0)", "0)")


def _statx(data: bytes) -> str:
    mask, attributes, mode, size = unpack_from("<I4xQ12xH10xQ", data)
    return (
        f"{{stx_mask={FLAGS['statx'].text(mask)}, stx_attributes={hex(attributes) if attributes else '0'}, "
        f"stx_mode={file_mode(mode)}, stx_size={size}, ...}}"
    )


def _statfs(data: bytes) -> str:
    kind, size, blocks, free, available, files, free_files, one, two, length, fragment, flags = unpack_from(
        "<7q2i3q", data
    )
    name = _FILE_SYSTEMS.get(kind, hex(kind))
    return (
        f"{{f_type={name}, f_bsize={size}, f_blocks={blocks}, f_bfree={free}, f_bavail={available}, f_files={files}, "
        f"f_ffree={free_files}, f_fsid={{val=[{one & 0xFFFFFFFF:#x}, {two & 0xFFFFFFFF:#x}]}}, f_namelen={length}, "
        f"f_frsize={fragment}, f_flags={FLAGS['mounted'].text(flags)}}}"
    ).replace("[0x0, 0x0]", "[0, 0]")


_FILE_SYSTEMS = {
    0xEF53: "EXT2_SUPER_MAGIC", 0x01021994: "TMPFS_MAGIC", 0x9FA0: "PROC_SUPER_MAGIC", 0x62656572: "SYSFS_MAGIC",
    0x794C7630: "OVERLAYFS_SUPER_MAGIC", 0x58465342: "XFS_SUPER_MAGIC", 0x9123683E: "BTRFS_SUPER_MAGIC",
    0x27E0EB: "CGROUP_SUPER_MAGIC", 0x63677270: "CGROUP2_SUPER_MAGIC", 0x1CD1: "DEVPTS_SUPER_MAGIC",
    0x64626720: "DEBUGFS_MAGIC", 0x74726163: "TRACEFS_MAGIC", 0x6969: "NFS_SUPER_MAGIC", 0xCAFE4A11: "BPF_FS_MAGIC",
    0x65735546: "FUSE_SUPER_MAGIC", 0x73717368: "SQUASHFS_MAGIC", 0x958458F6: "HUGETLBFS_MAGIC",
    0x19800202: "MQUEUE_MAGIC", 0xF97CFF8C: "SELINUX_MAGIC",
}  # fmt: skip
"""linux/magic.h."""
def _pair(first: str, second: str) -> Show:
    def show(data: bytes) -> str:
        one, two = unpack_from("<qq", data)
        return f"{{{first}={one}, {second}={two}}}"

    return show


_timespec, _timeval = _pair("tv_sec", "tv_nsec"), _pair("tv_sec", "tv_usec")


def _two(show: Show, form: str) -> Show:
    return lambda data: form % (show(data[:16]), show(data[16:32]))


def _limit(value: int) -> str:
    if value == 2**64 - 1:
        return "RLIM64_INFINITY"
    return f"{value >> 10}*1024" if value > 1024 and not value & 1023 else str(value)


def _rlimit(data: bytes) -> str:
    now, most = unpack_from("<QQ", data)
    return f"{{rlim_cur={_limit(now)}, rlim_max={_limit(most)}}}"


def _wait_status(data: bytes) -> str:
    """As the macros of wait(2) take it apart."""
    (status,) = unpack_from("<I", data)
    signal, code = status & 0x7F, status >> 8 & 0xFF
    if status == 0xFFFF:
        return "[{WIFCONTINUED(s)}]"
    if signal == 0x7F:
        return f"[{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(code)}}}]"
    if signal:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"[{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(signal)}{core}}}]"
    return f"[{{WIFEXITED(s) && WEXITSTATUS(s) == {code}}}]"


def signal_set(data: bytes) -> str:
    """`[INT TERM]`, or `~[KILL]` when most are in it."""
    (bits,) = unpack_from("<Q", data)
    inverted = bits.bit_count() > 42
    if inverted:
        bits ^= 2**64 - 1
    names = [signal_name(n + 1).removeprefix("SIG") for n in range(64) if bits >> n & 1]
    return ("~" if inverted else "") + "[" + " ".join(names) + "]"


def _sigaction(data: bytes) -> str:
    handler, flags, restorer = unpack_from("<QQQ", data)
    name = {0: "SIG_DFL", 1: "SIG_IGN"}.get(handler, hex(handler))
    tail = f", sa_restorer={restorer:#x}" if flags & 0x4000000 else ""
    return f"{{sa_handler={name}, sa_mask={signal_set(data[24:32])}, sa_flags={FLAGS['sigaction'].text(flags)}{tail}}}"


def _integers(data: bytes) -> str:
    return "[" + ", ".join(str(n) for n in unpack_from(f"<{len(data) // 4}i", data)) + "]"


def _utsname(data: bytes) -> str:
    system, node = (data[at : at + 65].split(b"\0")[0] for at in (0, 65))
    return f"{{sysname={quoted(system)}, nodename={quoted(node)}, ...}}"


def _sysinfo(data: bytes) -> str:
    uptime, one, five, fifteen, total, free, shared, buffers, swap, free_swap, processes, high, free_high, unit = (
        unpack_from("<q3Q6QH6xQQI", data)
    )
    return (
        f"{{uptime={uptime}, loads=[{one}, {five}, {fifteen}], totalram={total}, freeram={free}, sharedram={shared}, "
        f"bufferram={buffers}, totalswap={swap}, freeswap={free_swap}, procs={processes}, totalhigh={high}, "
        f"freehigh={free_high}, mem_unit={unit}}}"
    )


def _stack(data: bytes) -> str:
    base, flags, size = unpack_from("<Qi4xQ", data)
    return f"{{ss_sp={pointer(base)}, ss_flags={FLAGS['stack'].text(flags)}, ss_size={size}}}"


def _epoll_event(data: bytes) -> str:
    events, value = unpack_from("<IQ", data)
    return f"{{events={FLAGS['epoll'].text(events)}, data={{u32={value & 0xFFFFFFFF}, u64={value}}}}}"


def epoll_events(data: bytes) -> str:
    return "[" + ", ".join(_epoll_event(data[at : at + 12]) for at in range(0, len(data) - 11, 12)) + "]"


def poll_asked(data: bytes) -> str:
    """`[{fd=3, events=POLLIN}]`."""
    parts = []
    for at in range(0, len(data) - 7, 8):
        fd, events = unpack_from("<iH", data, at)
        parts.append(f"{{fd={fd}}}" if fd < 0 else f"{{fd={fd}, events={FLAGS['poll'].text(events)}}}")
    return "[" + ", ".join(parts) + "]"


def poll_found(data: bytes) -> str:
    """`[{fd=3, revents=POLLIN}]`: those that have something."""
    found = (unpack_from("<i2xH", data, at) for at in range(0, len(data) - 7, 8))
    return "[" + ", ".join(f"{{fd={fd}, revents={FLAGS['poll'].text(r)}}}" for fd, r in found if r) + "]"


def descriptor_set(data: bytes, count: int) -> str:
    """The numbers below `count` in a set of select(2)."""
    bits = int.from_bytes(data, "little")
    return "[" + " ".join(str(n) for n in range(min(count, 8 * len(data))) if bits >> n & 1) + "]"


def socket_address(data: bytes) -> str:
    """struct sockaddr of the families that most programs use; of others family and bytes."""
    if len(data) < 2:
        return quoted(data)
    (family,) = unpack_from("<H", data)
    name = ENUMS["family"].get(family, hex(family))
    if name == "AF_UNIX":
        path = data[2:]
        shown = "@" + quoted(path[1:]) if path[:1] == b"\0" else quoted(path.split(b"\0")[0])
        return f"{{sa_family=AF_UNIX, sun_path={shown}}}" if path else "{sa_family=AF_UNIX}"
    if name == "AF_INET" and len(data) >= 8:
        port, *address = unpack_from(">H4B", data, 2)
        dotted = ".".join(map(str, address))
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{dotted}")}}'
    if name == "AF_INET6" and len(data) >= 28:
        from socket import AF_INET6, inet_ntop

        port, flow = unpack_from(">HI", data, 2)
        (scope,) = unpack_from("<I", data, 24)
        return (
            f"{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), "
            f'inet_pton(AF_INET6, "{inet_ntop(AF_INET6, data[8:24])}", &sin6_addr), sin6_scope_id={scope}}}'
        )
    if name == "AF_NETLINK" and len(data) >= 12:
        port, groups = unpack_from("<II", data, 4)
        return f"{{sa_family=AF_NETLINK, nl_pid={port}, nl_groups={groups:08x}}}"
    return f"{{sa_family={name}, sa_data={quoted(data[2:])}}}"


def open_how(data: bytes) -> str:
    flags, mode, resolve = unpack_from("<QQQ", data)
    parts = [f"flags={FLAGS['open'].text(flags)}"]
    if flags & 0x410040:
        from pytrace.defs.syscalls.constants import octal

        parts.append(f"mode={octal(mode)}")
    return "{" + ", ".join([*parts, f"resolve={resolve:#x}".replace("0x0", "0")]) + "}"


def clone_args(data: bytes) -> str:
    """struct clone_args (linux/sched.h), as far as the caller's is."""
    flags, pidfd, child, parent, signal, stack, size, tls = unpack_from("<8Q", data)
    parts = [f"flags={FLAGS['clone'].text(flags)}"]
    parts += [f"pidfd={pidfd:#x}"] if flags & 0x1000 else []
    parts += [f"child_tid={child:#x}"] if flags & 0x1200000 else []
    parts += [f"parent_tid={parent:#x}"] if flags & 0x100000 else []
    parts += [f"exit_signal={signal_name(signal)}", f"stack={pointer(stack)}"]
    parts.append(f"stack_size={size:#x}" if size else "stack_size=0")
    parts += [f"tls={tls:#x}"] if flags & 0x80000 else []
    return "{" + ", ".join(parts) + "}"


SHOWN: dict[str, tuple[int, Show]] = {
    "clone_args": (64, clone_args),
    "epoll_event": (12, _epoll_event),
    "ints1": (4, _integers),
    "ints2": (8, _integers),
    "itimerspec": (32, _two(_timespec, "{it_interval=%s, it_value=%s}")),
    "itimerval": (32, _two(_timeval, "{it_interval=%s, it_value=%s}")),
    "open_how": (24, open_how),
    "rlimit": (16, _rlimit),
    "sigaction": (32, _sigaction),
    "sigset": (8, signal_set),
    "stack": (24, _stack),
    "stat": (144, _stat),
    "statfs": (120, _statfs),
    "statx": (256, _statx),
    "sysinfo": (112, _sysinfo),
    "timespec": (16, _timespec),
    "timespecs": (32, _two(_timespec, "[%s, %s]")),
    "timeval": (16, _timeval),
    "timevals": (32, _two(_timeval, "[%s, %s]")),
    "utsname": (390, _utsname),
    "wait_status": (4, _wait_status),
}
"""Kinds of arguments that are a struct of one size: bytes that are needed, and how they are written."""
