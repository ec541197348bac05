"""The BPF programs that are loaded on this machine, for `fentry:bpf:…`.

Place in the pipeline: under `runtime.machine` (names, for the compiler) and the loader (what to attach to).  In: ids.
Out: ids and names, BTF ids.  What a newcomer would get wrong: what is traced is a function of a program, its main one
or a subprogram, and the names of functions are in the program's BTF (the program's own name is cut at 15 characters);
only programs that have BTF can be traced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytrace.diagnostics import MachineError
from pytrace.runtime.sys import abi, kernel

if TYPE_CHECKING:
    from pytrace.runtime.sys import Kernel


def loaded() -> list[tuple[int, str]]:
    """(program id, function) of the functions of all programs with BTF; one that goes away meanwhile is left out."""
    found = []
    number = kernel.next_id(abi.PROG_GET_NEXT_ID, 0)
    while number is not None:
        try:
            fd = kernel.fd_by_id(abi.PROG_GET_FD_BY_ID, number)
            try:
                found += [(number, name) for name in functions(kernel, fd)]
            finally:
                kernel.close(fd)
        except OSError:
            pass
        number = kernel.next_id(abi.PROG_GET_NEXT_ID, number)
    return found


def functions(kernel: Kernel, fd: int) -> dict[str, int]:
    """Name and BTF id of each function of a program, the main one first; none if it has no BTF.  Raises OSError."""
    from pytrace.runtime.btf import BtfObject
    from pytrace.runtime.sys.libbpf import Library

    btf_id, type_ids = kernel.prog_functions(fd)
    if not btf_id or not type_ids:
        return {}
    lib = Library()
    handle = lib.load_split(btf_id, None)
    if handle is None:
        return {}
    btf = BtfObject(lib, handle, "")
    return {btf.record(type_id)[1]: type_id for type_id in type_ids}


def attach_target(kernel: Kernel, number: int, name: str) -> tuple[int, int]:
    """(BTF id, fd of the program, for the caller to close) of a function of the program with id `number`.

    Raises MachineError when the program is gone or has no such function.
    """
    try:
        fd = kernel.fd_by_id(abi.PROG_GET_FD_BY_ID, number)
    except OSError:
        raise MachineError(f"The BPF program with id {number} is not loaded any more.") from None
    try:
        type_id = functions(kernel, fd).get(name)
    except OSError:
        type_id = None
    if type_id is None:
        kernel.close(fd)
        raise MachineError(f"The BPF program with id {number} has no function '{name}'.")
    return type_id, fd
