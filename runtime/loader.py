"""Loading: a Program's maps, BTF and programs become fds.

Place in the pipeline: first stage of a Session.  In: Program, Kernel, the process-wide facts that globals need.  Out:
`Loaded` (fds by map name and program index).  Raises KernelError, VerifierError.  What a newcomer would get wrong:
programs are loaded without a log and without line information first, because both cost time that only a refusal
needs; a refused program is loaded a second time with both, to say why and where.
"""

from __future__ import annotations

import errno
from struct import Struct, pack, pack_into

from pytrace.diagnostics import KernelError, MachineError
from pytrace.runtime.sys import ProgramLoad, abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.program import GlobalSpec, MapSpec, Program, ProgramSpec, Relocation
    from pytrace.runtime.btf import Btf
    from pytrace.runtime.sys import Kernel

_INSN = Struct("=BBhi")
_DEFAULT_LOG_SIZE = 1_000_000
_LARGEST = 0xFFFFFFFF
"""A map's value size and number of entries have 32 bits in bpf(2)."""


class Loaded:
    """The fds of a Program.  `logs`: verifier logs by program name, when they were asked for."""

    def __init__(self) -> None:
        self.maps: dict[str, int] = {}
        self.programs: list[int] = []
        self.btf = 0
        self.logs: dict[str, str] = {}

    def close(self, kernel: Kernel) -> None:
        """Close everything, in reverse order of creation."""
        for fd in [*reversed(self.programs), *([self.btf] if self.btf else []), *reversed(self.maps.values())]:
            if fd >= 0:
                kernel.close(fd)
        self.maps, self.programs, self.btf = {}, [], 0


def load(
    program: Program,
    kernel: Kernel,
    sources: Mapping[str, Callable[[], int]],
    *,
    wanted: Callable[[int], bool] = lambda index: True,
    log_level: int = 0,
) -> Loaded:
    """Create all maps, set the globals from `sources`, load the programs whose index is `wanted` (others get fd -1).

    `log_level` as BPF_PROG_LOAD takes it: 0 logs only what is refused.  On failure nothing stays open.
    """
    loaded = Loaded()
    try:
        for spec in program.maps:
            loaded.maps[spec.name] = create_map(kernel, spec, program.config)
            fill_map(kernel, loaded.maps[spec.name], spec, program.globals, sources)
        _Programs(program, kernel, loaded, log_level).load_all(wanted)
    except BaseException:
        loaded.close(kernel)
        raise
    return loaded


# ---------------------------------------------------------------- maps

RING_CEILING = 8 << 20
"""Half of the reference's: creating it takes time (0.23 ms a MiB), and what is in it moves to the backlog at once."""
RING_FLOOR = 256 << 10


def ring_size(kernel: Kernel, config: Mapping[str, Any]) -> int:
    """Bytes of the ring buffer: a power of two from `perf_rb_pages`, or from the memory that is free (spec 06 §5)."""
    pages = int(config.get("perf_rb_pages", 0) or 0)
    if pages:
        wanted = max(pages, len(kernel.online_cpus())) * kernel.page_size
    else:
        wanted = max(min(kernel.available_memory() // 16, RING_CEILING), RING_FLOOR)
    low = max(kernel.page_size, 1 << (wanted.bit_length() - 1))
    return low if wanted - low <= 2 * low - wanted else 2 * low


def create_map(kernel: Kernel, spec: MapSpec, config: Mapping[str, Any]) -> int:
    """The fd of the kernel's map for `spec`.  Raises KernelError."""
    entries = spec.max_entries
    if spec.kind == "ringbuf" and not entries:
        entries = ring_size(kernel, config)
    kind, name, size = abi.MAP_TYPES[spec.kind], spec.name.replace("@", "AT_"), spec.value_size
    if spec.kind == "cpu_slots":
        size, entries = size * entries, 1
    try:
        if spec.kind == "array_of_maps":
            return _map_of_arrays(kernel, spec)
        if max(size, entries) > _LARGEST:
            raise OSError(errno.E2BIG, "")
        return kernel.map_create(kind, spec.key_size, size, entries, spec.flags, name)
    except OSError as error:
        what = f"Failed to create map '{spec.name}'"
        raise KernelError(what, error.errno or 0, advice=_map_advice(error, spec)) from None


def _map_of_arrays(kernel: Kernel, spec: MapSpec) -> int:
    """A map of arrays of any length, which the programs reach by number.  Raises OSError."""
    model = kernel.map_create(abi.MAP_TYPES["array"], 4, spec.value_size, 1, abi.INNER_MAP, "model")
    try:
        return kernel.map_create(abi.MAP_TYPES[spec.kind], 4, 4, spec.max_entries, spec.flags, spec.name, model)
    finally:
        kernel.close(model)


def _map_advice(error: OSError, spec: MapSpec) -> str:
    size = spec.max_entries * (spec.key_size + spec.value_size)
    match error.errno:
        case errno.EPERM:
            return "needs root, or CAP_BPF and CAP_PERFMON; before Linux 5.11 also more locked memory (ulimit -l)"
        case errno.ENOMEM | errno.E2BIG if spec.kind == "ringbuf":
            return "lower perf_rb_pages"
        case errno.ENOMEM | errno.E2BIG if not spec.is_script_map:
            return f"the script's variables need {spec.value_size} bytes at once: use fewer or smaller ones"
        case errno.ENOMEM | errno.E2BIG:
            return f"{spec.max_entries} entries need about {size >> 20} MiB; declare fewer, or lower max_map_keys"
        case errno.EMFILE:
            return "too many open files; raise the limit with ulimit -n"
    return ""


def fill_map(
    kernel: Kernel, fd: int, spec: MapSpec, rows: tuple[GlobalSpec, ...], sources: Mapping[str, Callable[[], int]]
) -> None:
    """Write what element 0 holds before the programs are loaded; freeze what programs may only read."""
    data = bytearray(spec.initial)
    if spec.name == "globals":
        data = data.ljust(spec.value_size, b"\0")
        for row in rows:
            if row.source not in sources:
                raise MachineError(f"no value for the global '{row.source}'")
            pack_into("=Q", data, row.offset, sources[row.source]() & (1 << 64) - 1)
    if not data:
        return
    try:
        kernel.map_update(fd, bytes(spec.key_size), bytes(data.ljust(spec.value_size, b"\0")))
    except OSError as error:
        raise KernelError(f"Failed to set map '{spec.name}'", error.errno or 0) from None
    if spec.flags & abi.RDONLY_PROG:
        try:
            kernel.map_freeze(fd)  # Linux 5.2; without it the verifier only knows less
        except OSError:
            pass


# ---------------------------------------------------------------- programs


class _Programs:
    """Patches and loads the programs of one Program."""

    def __init__(self, program: Program, kernel: Kernel, loaded: Loaded, log_level: int) -> None:
        self.program = program
        self.kernel = kernel
        self.loaded = loaded
        self.log_level = log_level
        self.log_size = int(program.config.get("log_size", _DEFAULT_LOG_SIZE))
        self.license = str(program.config.get("license", "GPL"))
        self._btf: Btf | None = None
        self._module_fds: dict[str, int] = {}
        self._program_fds: list[int] = []

    def load_all(self, wanted: Callable[[int], bool]) -> None:
        try:
            if any(spec.func_info and wanted(i) for i, spec in enumerate(self.program.programs)):
                self.loaded.btf = self._load_btf(self.program.btf)
            for index, spec in enumerate(self.program.programs):
                self.loaded.programs.append(self._load(spec) if wanted(index) else -1)
        finally:
            for fd in (*self._module_fds.values(), *self._program_fds):
                self.kernel.close(fd)

    def _load_btf(self, data: bytes) -> int:
        try:
            return self.kernel.btf_load(data)
        except OSError as error:
            raise KernelError("Failed to load the program's type information (BTF)", error.errno or 0) from None

    def _load(self, spec: ProgramSpec) -> int:
        load = self._request(spec)
        try:
            fd, log = self._with_log(load) if self.log_level else self.kernel.prog_load(load)
        except OSError as error:
            from pytrace.runtime.verifier import explain

            btf = 0
            try:
                btf = _add_lines(self, load, spec)
                raise explain(self.kernel, spec, load, error, self.log_size) from None
            finally:
                if btf:
                    self.kernel.close(btf)
        if self.log_level:
            self.loaded.logs[spec.name] = log
        return fd

    def _with_log(self, load: ProgramLoad) -> tuple[int, str]:
        """(fd, log).  A log that does not fit fails the load whatever the program is like: without one the error is the
        program's own, and one that is accepted is loaded again with more room, at last without its log's end."""
        from pytrace.runtime.verifier import LARGEST_LOG

        load.log_level, load.log_size = self.log_level, self.log_size
        while True:
            try:
                return self.kernel.prog_load(load)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                log = str(getattr(error, "log", ""))
            load.log_level = 0
            fd, _ = self.kernel.prog_load(load)
            if load.log_size >= LARGEST_LOG:
                return fd, log
            self.kernel.close(fd)
            load.log_level, load.log_size = self.log_level, min(4 * load.log_size, LARGEST_LOG)

    def _request(self, spec: ProgramSpec) -> ProgramLoad:
        load = ProgramLoad(
            abi.PROGRAM_TYPES[spec.type],
            self._patched(spec),
            spec.name,
            self.license,
            abi.ATTACH_TYPES[spec.attach_type],
            flags=abi.SLEEPABLE if spec.sleepable else 0,
        )
        if spec.func_info:
            load.btf_fd = self.loaded.btf
            load.func_info = b"".join(pack("=II", index, type_id) for index, type_id in spec.func_info)
        if spec.core_relocations:
            load.core_relocations = b"".join(pack("=IIII", n * 8, *rest) for n, *rest in spec.core_relocations)
        if spec.module.startswith("bpf:"):
            from pytrace.runtime.programs import attach_target

            load.attach_btf_id, load.attach_prog_fd = attach_target(self.kernel, int(spec.module[4:]), spec.attach_to)
            self._program_fds.append(load.attach_prog_fd)
        elif spec.attach_to:
            load.attach_btf_id, load.attach_btf_fd = self._attach_target(spec)
        return load

    # ------------------------------------------------------------ relocations
    def _patched(self, spec: ProgramSpec) -> bytes:
        if not spec.relocations:
            return spec.insns
        code = bytearray(spec.insns)
        for relocation in spec.relocations:
            self._patch(code, relocation)
        return bytes(code)

    def _patch(self, code: bytearray, relocation: Relocation) -> None:
        at = relocation.index * 8
        opcode, registers, offset, value = _INSN.unpack_from(code, at)
        source, following = registers >> 4, 0
        match relocation.kind:
            case "map":
                source, value = abi.PSEUDO_MAP_FD, self.loaded.maps[relocation.name]
            case "data":
                source, value, following = abi.PSEUDO_MAP_VALUE, self.loaded.maps[relocation.name], relocation.addend
            case "func":
                source = abi.PSEUDO_FUNC
            case "kfunc":
                source, value, offset = abi.PSEUDO_KFUNC_CALL, self._kernel_id(relocation.name, abi.BTF_FUNC), 0
            case "ksym":
                source, value = abi.PSEUDO_BTF_ID, self._kernel_id(relocation.name, abi.BTF_VAR)
            case _:
                raise ValueError(f"relocation of kind {relocation.kind!r}")
        _INSN.pack_into(code, at, opcode, source << 4 | registers & 0xF, offset, value)
        if opcode == abi.LD_IMM64:
            _INSN.pack_into(code, at + 8, 0, 0, 0, following)

    def btf(self) -> Btf:
        """The kernel's BTF, loaded when the first id is needed."""
        if self._btf is None:
            from pytrace.runtime.btf import Btf

            self._btf = Btf.load()
            if self._btf is None:
                raise MachineError(
                    "The kernel's type information (BTF) cannot be read.",
                    advice="a kernel built with CONFIG_DEBUG_INFO_BTF and the library libbpf.so.1 are needed",
                )
        return self._btf

    def _kernel_id(self, name: str, kind: int) -> int:
        found = self.btf().find_func_id(name, "vmlinux", kind)
        if found is None:
            what = "function" if kind == abi.BTF_FUNC else "variable"
            raise MachineError(f"The kernel has no {what} '{name}' that programs may use.")
        return found[0]

    def _attach_target(self, spec: ProgramSpec) -> tuple[int, int]:
        """(BTF id, fd of the module's BTF or 0) of what a tracing program attaches to."""
        name, kind = spec.attach_to, abi.BTF_FUNC
        if spec.attach_type == "trace_raw_tp":
            name, kind = "btf_trace_" + name, abi.BTF_TYPEDEF
        elif spec.attach_type == "trace_iter" and not name.startswith("bpf_iter_"):
            name = "bpf_iter_" + name
        found = self.btf().find_func_id(name, spec.module, kind)
        if found is None:
            where = f" in module {spec.module}" if spec.module else ""
            raise MachineError(f"No BTF found for {spec.attach_to}{where}")
        type_id, module = found
        return type_id, 0 if module == "vmlinux" else self._module_fd(module)

    def _module_fd(self, module: str) -> int:
        """An fd of a module's BTF object, which the kernel only gives by number."""
        if module not in self._module_fds:
            number: int | None = 0
            while (number := self.kernel.next_id(abi.BTF_GET_NEXT_ID, number or 0)) is not None:
                fd = self.kernel.fd_by_id(abi.BTF_GET_FD_BY_ID, number)
                if self.kernel.btf_name(fd) == module:
                    self._module_fds[module] = fd
                    break
                self.kernel.close(fd)
            else:
                raise MachineError(f"The kernel has no BTF of module {module}.")
        return self._module_fds[module]


def _add_lines(programs: _Programs, load: ProgramLoad, spec: ProgramSpec) -> int:
    """Give `load` line information, so that the log quotes the script; the fd of the BTF made for it, or 0."""
    if not spec.line_info or not programs.program.btf:
        return 0
    texts = [spec.location.filename if spec.location else "script", *(row.text for row in spec.line_info)]
    blob, offsets = with_strings(programs.program.btf, texts)
    try:
        fd = programs.kernel.btf_load(blob)
    except OSError:
        return 0
    load.btf_fd = fd
    load.line_info = b"".join(
        pack("=IIII", row.index, offsets[0], offset, row.line << 10 | min(row.column, 1023))
        for row, offset in zip(spec.line_info, offsets[1:], strict=True)
    )
    return fd


_BTF_HEADER = Struct("=HBBIIIII")


def with_strings(btf: bytes, texts: list[str]) -> tuple[bytes, list[int]]:
    """BTF with more strings at the end of its string section, and their offsets there."""
    magic, version, flags, header, type_at, type_size, text_at, text_size = _BTF_HEADER.unpack_from(btf, 0)
    start = header + text_at
    section = bytearray(btf[start : start + text_size])
    offsets: dict[str, int] = {}
    for text in texts:
        if text not in offsets:
            offsets[text] = len(section)
            section += text.replace("\0", " ").encode("latin-1", "replace") + b"\0"
    head = _BTF_HEADER.pack(magic, version, flags, header, type_at, type_size, text_at, len(section))
    return head + btf[len(head) : start] + bytes(section), [offsets[text] for text in texts]
