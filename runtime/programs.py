"""The BPF programs that are loaded on this machine, for `fentry:bpf:…`.

Place in the pipeline: under `runtime.machine`.  In: nothing.  Out: ids and names.  What a newcomer would get wrong:
the kernel keeps 15 characters of a program's name; the full one is in its BTF, and only programs that have BTF can be
traced.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.runtime.sys import abi, kernel

_NAME, _BTF_ID = 64, 128
"""Offsets in struct bpf_prog_info (include/uapi/linux/bpf.h)."""
_CUT = 15


def loaded() -> list[tuple[int, str]]:
    """(id, name) of each program with BTF.  Programs that go away meanwhile are left out."""
    found = []
    number = kernel.next_id(abi.PROG_GET_NEXT_ID, 0)
    while number is not None:
        row = _describe(number)
        if row:
            found.append((number, row))
        number = kernel.next_id(abi.PROG_GET_NEXT_ID, number)
    return found


def _describe(number: int) -> str:
    try:
        fd = kernel.fd_by_id(abi.PROG_GET_FD_BY_ID, number)
    except OSError:
        return ""
    try:
        info = kernel.info(fd)
    except OSError:
        return ""
    finally:
        kernel.close(fd)
    name = info[_NAME : _NAME + 16].split(b"\0", 1)[0].decode("latin-1")
    btf_id = unpack_from("<I", info, _BTF_ID)[0] if len(info) >= _BTF_ID + 4 else 0
    if not btf_id:
        return ""
    return _full_name(btf_id, name) if len(name) == _CUT else name


def _full_name(btf_id: int, name: str) -> str:
    from pytrace.runtime.btf import FUNC, BtfObject
    from pytrace.runtime.sys.libbpf import Library

    lib = Library()
    handle = lib.load_split(btf_id, None)
    if handle is None:
        return name
    btf = BtfObject(lib, handle, "")
    names = [btf.string(at) for _, kind, at, _ in btf.walk() if kind == FUNC]
    return next((n for n in names if n.startswith(name)), name)
