"""Reading and emptying the script's maps.

Place in the pipeline: between the loaded map fds and the output.  In: MapSpec and fd.  Out: raw key bytes with raw
value bytes (a list of one a CPU for per-CPU kinds), which the output decodes with the types and AggregateDef rows.
What a newcomer would get wrong: a scalar map is an array element with an "assigned" flag before the value (see
`MapSpec.storage`), so "no entry" is a flag of zero there, and clearing is writing zeros.
"""

from __future__ import annotations

import errno

from pytrace.diagnostics import KernelError
from pytrace.runtime.sys import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.program import MapSpec
    from pytrace.runtime.sys import Kernel

FLAG_SIZE = 8
_BATCH_BYTES = 1 << 20
_NOT_SUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, 524)  # 524: ENOTSUPP, the kernel's own


def round8(size: int) -> int:
    return (size + 7) // 8 * 8


class MapReader:
    """One map of the kernel.  `cpus`: the number of possible CPUs.  All methods raise KernelError."""

    def __init__(self, spec: MapSpec, fd: int, kernel: Kernel, cpus: int) -> None:
        self.spec = spec
        self.fd = fd
        self._kernel = kernel
        self.per_cpu = spec.kind in abi.PER_CPU_KINDS
        self.copies = cpus if self.per_cpu else 1
        self._stride = round8(spec.value_size) if self.per_cpu else spec.value_size
        if spec.kind == "cpu_slots":
            self.per_cpu, self.copies = True, spec.max_entries
        self._batches = True

    # ------------------------------------------------------------ raw elements
    def elements(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) as the kernel hands them out, values of all CPUs behind each other; no order."""
        cursor: bytes | None = None
        size = self._stride * self.copies
        entries = max(1, self.spec.max_entries)
        count = min(entries, max(64, _BATCH_BYTES // max(1, size + self.spec.key_size)))
        while self._batches:
            try:
                keys, values, found, following = self._kernel.map_lookup_batch(
                    self.fd, self.spec.key_size, size, count, cursor
                )
            except OSError as error:
                if error.errno == errno.ENOSPC and count < entries:  # a bucket of the hash has more than that
                    count = min(entries, count * 4)
                    continue
                if error.errno not in _NOT_SUPPORTED or cursor is not None:
                    raise self._failed("read", error) from None
                self._batches = False
                break
            width = self.spec.key_size
            for i in range(found):
                yield keys[i * width : (i + 1) * width], values[i * size : (i + 1) * size]
            if following is None:
                return
            cursor = following
        yield from self._one_by_one(size)

    def _one_by_one(self, size: int) -> Iterator[tuple[bytes, bytes]]:
        """Without batches: before Linux 5.6, and for kinds that have none.  Keys first: elements may go meanwhile."""
        for key in self.keys():
            value = self._get(key, size)
            if value is not None:
                yield key, value

    def keys(self) -> list[bytes]:
        """All raw keys."""
        found: list[bytes] = []
        key: bytes | None = None
        try:
            while (key := self._kernel.map_next_key(self.fd, key, self.spec.key_size)) is not None:
                found.append(key)
                if len(found) > 4 * self.spec.max_entries:  # a map that changes under us can send us round again
                    break
        except OSError as error:
            raise self._failed("read", error) from None
        return list(dict.fromkeys(found))

    def _get(self, key: bytes, size: int) -> bytes | None:
        try:
            return self._kernel.map_lookup(self.fd, key, size)
        except OSError as error:
            raise self._failed("read", error) from None

    def split(self, value: bytes) -> list[bytes]:
        """The copies of each CPU."""
        size = self.spec.value_size
        return [value[at : at + size] for at in range(0, self._stride * self.copies, self._stride)]

    # ------------------------------------------------------------ entries
    @property
    def is_slot(self) -> bool:
        """A scalar map in an array element."""
        return self.spec.storage in ("slot", "aggregate_slot", "bucket_slots")

    def entries(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """(raw key, its value on each CPU; a list of one for kinds that are not per CPU), in the kernel's order."""
        return ((key, self.split(value)) for key, value in self.elements())

    def slot(self) -> list[bytes] | None:
        """A scalar map: element 0 without its flag, on each CPU where the flag is set; None when it is set on none."""
        value = self._get(bytes(self.spec.key_size), self._stride * self.copies)
        copies = self.split(value) if value else []
        return [c[FLAG_SIZE:] for c in copies if any(c[:FLAG_SIZE])] or None

    def lookup(self, key: bytes) -> list[bytes] | None:
        """The raw value (of each CPU) under a raw key, None if there is none."""
        value = self._get(key, self._stride * self.copies)
        return None if value is None else self.split(value)

    def is_empty(self) -> bool:
        return self.slot() is None if self.is_slot else next(self.elements(), None) is None

    # ------------------------------------------------------------ changes
    def clear(self) -> None:
        """Remove every entry."""
        if self.is_slot:
            self._put(bytes(self.spec.key_size), bytes(self._stride * self.copies))
            return
        for key in self.keys():
            self.delete(key)

    def zero(self) -> None:
        """Set every value to zero; the entries stay."""
        if self.is_slot:
            key = bytes(self.spec.key_size)
            value = bytearray(self._get(key, self._stride * self.copies) or b"")
            for at in range(0, len(value), self._stride):
                value[at + FLAG_SIZE : at + self._stride] = bytes(self._stride - FLAG_SIZE)
            if value:
                self._put(key, bytes(value))
            return
        blank = bytes(self._stride * self.copies)
        for key in self.keys():
            self._put(key, blank, abi.EXIST)

    def delete(self, key: bytes) -> bool:
        """Whether there was an element under that raw key."""
        try:
            return self._kernel.map_delete(self.fd, key)
        except OSError as error:
            raise self._failed("delete from", error) from None

    def _put(self, key: bytes, value: bytes, flags: int = abi.ANY) -> None:
        try:
            self._kernel.map_update(self.fd, key, value, flags)
        except FileNotFoundError:
            return  # gone meanwhile
        except OSError as error:
            raise self._failed("write", error) from None

    def _failed(self, what: str, error: OSError) -> KernelError:
        return KernelError(f"Failed to {what} map '{self.spec.name}'", error.errno or 0)
