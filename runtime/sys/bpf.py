"""bpf(2), one method a command.

Place in the pipeline: part of the seam (`Kernel`).  In: fds, numbers from `abi`, bytes.  Out: fds, bytes; every failure
is an `OSError` with the kernel's errno.  Source: `union bpf_attr` in include/uapi/linux/bpf.h.
What a newcomer would get wrong: the kernel demands that the bytes of the attribute behind the fields that it knows
are zero, so each command sends exactly the fields that it uses, in a zeroed block of `_ATTR_SIZE`.
"""

from __future__ import annotations

import errno
from struct import pack, pack_into, unpack_from

from pytrace.runtime.sys import abi
from pytrace.runtime.sys.calls import address_of, address_of_bytes, call

_ATTR_SIZE = 152
_NAME_LENGTH = 16  # BPF_OBJ_NAME_LEN, the NUL included


class ProgramLoad:
    """The arguments of BPF_PROG_LOAD.  `type`, `attach_type`: numbers; `insns` patched; fds 0 = none.

    `log_level` 0 loads without a log; `log_size` in bytes.  `func_info`, `line_info` and `core_relocations` are packed
    records of 8, 16 and 16 bytes.
    """

    def __init__(
        self, type: int, insns: bytes, name: str = "", license: str = "GPL", attach_type: int = 0, *,
        attach_btf_id: int = 0, attach_btf_fd: int = 0, attach_prog_fd: int = 0, flags: int = 0, btf_fd: int = 0,
        func_info: bytes = b"", line_info: bytes = b"", fd_array: tuple[int, ...] = (), log_level: int = 0,
        log_size: int = 0, core_relocations: bytes = b"",
    ) -> None:  # fmt: skip
        self.core_relocations = core_relocations
        self.type = type
        self.insns = insns
        self.name = name
        self.license = license
        self.attach_type = attach_type
        self.attach_btf_id = attach_btf_id
        self.attach_btf_fd = attach_btf_fd
        self.attach_prog_fd = attach_prog_fd
        self.flags = flags
        self.btf_fd = btf_fd
        self.func_info = func_info
        self.line_info = line_info
        self.fd_array = fd_array
        self.log_level = log_level
        self.log_size = log_size


def object_name(name: str) -> bytes:
    """At most 15 characters that the kernel accepts in an object's name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)[:15].encode("ascii")


class BpfCalls:
    """The commands of bpf(2)."""

    def _bpf(self, command: int, attr: bytearray) -> int:
        return call("bpf", command, address_of(attr), len(attr))

    # ------------------------------------------------------------ maps
    def map_create(
        self, kind: int, key_size: int, value_size: int, max_entries: int, flags: int = 0, name: str = "",
        inner: int = 0,
    ) -> int:
        """A new map's fd (close-on-exec).  `inner`: the fd of a map like those that a map of maps will hold."""
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IIIIIII16s", attr, 0, kind, key_size, value_size, max_entries, flags, inner, 0, object_name(name))
        return self._bpf(abi.MAP_CREATE, attr)

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        """The value, `size` bytes (for per-CPU kinds: of all possible CPUs), or None."""
        value = bytearray(max(size, 1))
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IxxxxQQQ", attr, 0, fd, address_of_bytes(key), address_of(value), 0)
        try:
            self._bpf(abi.MAP_LOOKUP_ELEM, attr)
        except FileNotFoundError:
            return None
        return bytes(value)

    def map_update(self, fd: int, key: bytes, value: bytes, flags: int = abi.ANY) -> None:
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IxxxxQQQ", attr, 0, fd, address_of_bytes(key), address_of_bytes(value), flags)
        self._bpf(abi.MAP_UPDATE_ELEM, attr)

    def map_delete(self, fd: int, key: bytes) -> bool:
        """Whether there was such an element."""
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IxxxxQ", attr, 0, fd, address_of_bytes(key))
        try:
            self._bpf(abi.MAP_DELETE_ELEM, attr)
        except FileNotFoundError:
            return False
        return True

    def map_next_key(self, fd: int, key: bytes | None, key_size: int) -> bytes | None:
        """The key after `key` (None: the first), None at the end."""
        following = bytearray(key_size)
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IxxxxQQ", attr, 0, fd, 0 if key is None else address_of_bytes(key), address_of(following))
        try:
            self._bpf(abi.MAP_GET_NEXT_KEY, attr)
        except FileNotFoundError:
            return None
        return bytes(following)

    def map_lookup_batch(
        self, fd: int, key_size: int, value_size: int, count: int, cursor: bytes | None
    ) -> tuple[bytes, bytes, int, bytes | None]:
        """(keys, values, number, cursor) of up to `count` elements; the returned cursor is None at the end.

        Raises OSError: ENOSPC when a hash bucket has more than `count` elements, EINVAL when the kind has no batches.
        """
        keys, values = bytearray(key_size * count), bytearray(value_size * count)
        following = bytearray(max(key_size, 8))
        attr = bytearray(_ATTR_SIZE)
        start = 0 if cursor is None else address_of_bytes(cursor)
        pack_into(
            "=QQQQIIQQ", attr, 0, start, address_of(following), address_of(keys), address_of(values), count, fd, 0, 0
        )
        last = False
        try:
            self._bpf(abi.MAP_LOOKUP_BATCH, attr)
        except FileNotFoundError:
            last = True
        (found,) = unpack_from("=I", attr, 32)
        cursor = None if last else bytes(following)
        return bytes(keys[: found * key_size]), bytes(values[: found * value_size]), found, cursor

    def map_update_batch(self, fd: int, keys: bytes, values: bytes, count: int) -> None:
        """Store `count` elements (Linux 5.6)."""
        attr = bytearray(_ATTR_SIZE)
        pack_into(
            "=QQQQIIQQ", attr, 0, 0, 0, address_of_bytes(keys), address_of_bytes(values), count, fd, abi.ANY, 0
        )
        self._bpf(abi.MAP_UPDATE_BATCH, attr)

    def map_delete_batch(self, fd: int, keys: bytes, count: int) -> int:
        """Delete `count` keys; the number deleted before the first that was missing."""
        attr = bytearray(_ATTR_SIZE)
        pack_into("=QQQQIIQQ", attr, 0, 0, 0, address_of_bytes(keys), 0, count, fd, 0, 0)
        try:
            self._bpf(abi.MAP_DELETE_BATCH, attr)
        except FileNotFoundError:
            pass
        return int(unpack_from("=I", attr, 32)[0])

    def map_freeze(self, fd: int) -> None:
        self._bpf(abi.MAP_FREEZE, bytearray(pack("=I", fd).ljust(_ATTR_SIZE, b"\0")))

    # ------------------------------------------------------------ programs
    def prog_load(self, load: ProgramLoad) -> tuple[int, str]:
        """(fd, verifier log).  On failure the OSError has the log as attribute `log`."""
        attr = bytearray(_ATTR_SIZE)
        log = bytearray(load.log_size if load.log_level else 0)
        license_text = load.license.encode("ascii") + b"\0"
        fds = pack(f"={len(load.fd_array)}i", *load.fd_array)
        pack_into(
            "=IIQQIIQII16sIIIIQIIQIIIIQQI", attr, 0,
            load.type, len(load.insns) // 8, address_of_bytes(load.insns), address_of_bytes(license_text),
            load.log_level, len(log), address_of(log) if log else 0, 0, load.flags, object_name(load.name), 0,
            load.attach_type, load.btf_fd,
            8 if load.func_info else 0, address_of_bytes(load.func_info) if load.func_info else 0,
            len(load.func_info) // 8,
            16 if load.line_info else 0, address_of_bytes(load.line_info) if load.line_info else 0,
            len(load.line_info) // 16,
            load.attach_btf_id, load.attach_btf_fd or load.attach_prog_fd,
            len(load.core_relocations) // 16, address_of_bytes(fds) if fds else 0,
            address_of_bytes(load.core_relocations) if load.core_relocations else 0, 16 if load.core_relocations else 0,
        )  # fmt: skip
        try:
            fd = self._bpf(abi.PROG_LOAD, attr)
        except OSError as error:
            error.log = _text(log)  # type: ignore[attr-defined]
            raise
        return fd, _text(log)

    def prog_run(self, fd: int, data: bytes = b"", repeat: int = 0) -> tuple[int, int]:
        """BPF_PROG_TEST_RUN: (return value, nanoseconds of one run; 0 for raw tracepoints).

        `data`: the packet of an XDP program, at least 14 bytes; empty for raw tracepoints.
        """
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IIIIQQII", attr, 0, fd, 0, len(data), 0, address_of_bytes(data) if data else 0, 0, repeat, 0)
        self._bpf(abi.PROG_TEST_RUN, attr)
        return int(unpack_from("=I", attr, 4)[0]), int(unpack_from("=I", attr, 36)[0])

    # ------------------------------------------------------------ links
    def link_create(self, prog_fd: int, target_fd: int, attach_type: int, extra: bytes = b"") -> int:
        """A link's fd.  `extra`: the bytes of the attribute behind `flags` (from byte 16)."""
        attr = bytearray(_ATTR_SIZE)
        pack_into("=IIII", attr, 0, prog_fd, target_fd, attach_type, 0)
        attr[16 : 16 + len(extra)] = extra
        return self._bpf(abi.LINK_CREATE, attr)

    def link_perf_event(self, prog_fd: int, event_fd: int, cookie: int = 0) -> int:
        """Link a program to a perf event (Linux 5.15)."""
        return self.link_create(prog_fd, event_fd, abi.ATTACH_TYPES["perf_event"], pack("=Q", cookie))

    def link_kprobe_multi(
        self, prog_fd: int, names: list[str], cookies: list[int] | None = None, *,
        returns: bool = False, session: bool = False,
    ) -> int:  # fmt: skip
        """One link to many kernel functions (Linux 5.18; sessions 6.10)."""
        texts = [name.encode("latin-1") for name in names]
        pointers = pack(f"={len(texts)}Q", *map(address_of_bytes, texts))
        values = pack(f"={len(cookies)}Q", *cookies) if cookies else b""
        kind = "trace_kprobe_session" if session else "trace_kprobe_multi"
        extra = pack(
            "=IIQQQ", abi.MULTI_RETURN if returns else 0, len(texts), address_of_bytes(pointers), 0,
            address_of_bytes(values) if values else 0,
        )  # fmt: skip
        return self.link_create(prog_fd, 0, abi.ATTACH_TYPES[kind], extra)

    def link_uprobe_multi(
        self, prog_fd: int, path: str, offsets: list[int], cookies: list[int] | None = None,
        ref_ctr_offsets: list[int] | None = None, pid: int = 0, *, returns: bool = False,
    ) -> int:  # fmt: skip
        """One link to many offsets in one file (Linux 6.6); `pid` 0 = every process."""
        text = path.encode("latin-1")
        arrays = [pack(f"={len(a)}Q", *a) if a else b"" for a in (offsets, ref_ctr_offsets, cookies)]
        extra = pack(
            "=QQQQIII", address_of_bytes(text), *(address_of_bytes(a) if a else 0 for a in arrays), len(offsets),
            abi.MULTI_RETURN if returns else 0, pid,
        )  # fmt: skip
        return self.link_create(prog_fd, 0, abi.ATTACH_TYPES["trace_uprobe_multi"], extra)

    def link_iter(self, prog_fd: int, pid: int | None = None, *, parents_first: bool = False) -> int:
        """A link to an iterator, restricted to one process if `pid` is given (union bpf_iter_link_info).

        `parents_first`: for one that walks a tree, all of it in this order.
        """
        info = pack("=III4x", 0, pid, 0) if pid else b""
        if parents_first:
            info = pack("=IIQ", abi.CGROUP_ITER_DESCENDANTS_PRE, 0, 0)
        extra = pack("=QI", address_of_bytes(info) if info else 0, len(info))
        return self.link_create(prog_fd, 0, abi.ATTACH_TYPES["trace_iter"], extra)

    def raw_tracepoint_open(self, prog_fd: int, name: str = "") -> int:
        """Attach a raw tracepoint (by `name`) or a tracing program (no name: its load said where)."""
        text = name.encode("latin-1")
        attr = bytearray(_ATTR_SIZE)
        pack_into("=QI", attr, 0, address_of_bytes(text) if text else 0, prog_fd)
        return self._bpf(abi.RAW_TRACEPOINT_OPEN, attr)

    def link_detach(self, fd: int) -> bool:
        """Detach at once; False when this kind of link can only be closed."""
        try:
            self._bpf(abi.LINK_DETACH, bytearray(pack("=I", fd).ljust(_ATTR_SIZE, b"\0")))
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return False
            raise
        return True

    def iter_create(self, link_fd: int) -> int:
        """An fd to read an iterator's output from."""
        return self._bpf(abi.ITER_CREATE, bytearray(pack("=II", link_fd, 0).ljust(_ATTR_SIZE, b"\0")))

    def pin(self, fd: int, path: str) -> None:
        """Pin in a bpf file system."""
        text = path.encode("latin-1")
        attr = bytearray(_ATTR_SIZE)
        pack_into("=QII", attr, 0, address_of_bytes(text), fd, 0)
        self._bpf(abi.OBJ_PIN, attr)

    # ------------------------------------------------------------ BTF, ids
    def btf_load(self, data: bytes) -> int:
        attr = bytearray(_ATTR_SIZE)
        pack_into("=QQIII", attr, 0, address_of_bytes(data), 0, len(data), 0, 0)
        return self._bpf(abi.BTF_LOAD, attr)

    def next_id(self, command: int, start: int) -> int | None:
        """The id after `start` of programs, maps, links or BTF objects (`abi.*_GET_NEXT_ID`); None at the end."""
        attr = bytearray(pack("=III", start, 0, 0).ljust(_ATTR_SIZE, b"\0"))
        try:
            self._bpf(command, attr)
        except FileNotFoundError:
            return None
        return int(unpack_from("=I", attr, 4)[0])

    def fd_by_id(self, command: int, number: int) -> int:
        """An fd of the object with an id (`abi.*_GET_FD_BY_ID`)."""
        return self._bpf(command, bytearray(pack("=III", number, 0, 0).ljust(_ATTR_SIZE, b"\0")))

    def info(self, fd: int, size: int = 256) -> bytes:
        """`struct bpf_{prog,map,link}_info` of an fd, as much as the kernel gives, up to `size` bytes."""
        buffer, attr = bytearray(size), bytearray(_ATTR_SIZE)
        pack_into("=IIQ", attr, 0, fd, size, address_of(buffer))
        self._bpf(abi.OBJ_GET_INFO_BY_FD, attr)
        return bytes(buffer[: unpack_from("=I", attr, 4)[0]])

    def prog_functions(self, fd: int) -> tuple[int, list[int]]:
        """(BTF object's id, type id of each function) of a program; 0 and none without BTF (struct bpf_prog_info)."""
        head = self.info(fd)
        if len(head) < 152:
            return 0, []
        btf_id, size = unpack_from("=II", head, 128)
        (count,) = unpack_from("=I", head, 144)
        rows, info, attr = bytearray(size * count), bytearray(256), bytearray(_ATTR_SIZE)
        if rows:
            pack_into("=IQI", info, 132, size, address_of(rows), count)
            pack_into("=IIQ", attr, 0, fd, len(info), address_of(info))
            self._bpf(abi.OBJ_GET_INFO_BY_FD, attr)
        return btf_id, [int(unpack_from("=I", rows, at + 4)[0]) for at in range(0, len(rows), size or 1)]

    def btf_name(self, fd: int) -> str:
        """The name of a BTF object: `vmlinux`, a module's, or "" (struct bpf_btf_info)."""
        name, info, attr = bytearray(64), bytearray(32), bytearray(_ATTR_SIZE)
        pack_into("=QIIQII", info, 0, 0, 0, 0, address_of(name), len(name), 0)
        pack_into("=IIQ", attr, 0, fd, len(info), address_of(info))
        self._bpf(abi.OBJ_GET_INFO_BY_FD, attr)
        return bytes(name).split(b"\0", 1)[0].decode("latin-1")


def _text(log: bytearray) -> str:
    return bytes(log).split(b"\0", 1)[0].decode("latin-1")
