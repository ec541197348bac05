"""A Target that answers from what the test gave it: no file of this machine is read.

Place in the pipeline: stands in for `runtime.machine.Machine` in tests of sema, the rows and the listing.  In: plain
tables. Out: the same answers as the live one.  What a newcomer would get wrong: formats go through the live parser
(`runtime.tracefs`), so that a recorded format file is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytrace import types
from pytrace.bpfobject import BpfObject, ObjectRefused
from pytrace.runtime import tracefs
from pytrace.target import ElfSymbol, Function, TracepointFormat, UsdtNote
from pytrace.types import Enum, Type

BASIC: dict[tuple[str, str], Type] = {
    ("char", ""): types.INT8,
    ("pid_t", ""): types.INT32,
    ("u8", ""): types.UINT8,
    ("u32", ""): types.UINT32,
    ("u64", ""): types.UINT64,
    ("size_t", ""): types.UINT64,
    ("umode_t", ""): types.UINT16,
    ("bool", ""): types.BOOL,
}

SCHED_SWITCH = """name: sched_switch
ID: 372
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;

print fmt: "x=%d", REC->prev_pid
"""
OPENAT = """name: sys_enter_openat
ID: 782
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
\tfield:umode_t mode;\toffset:40;\tsize:8;\tsigned:0;

print fmt: "dfd: 0x%08lx", ((unsigned long)(REC->dfd))
"""
EXEC = """name: sched_process_exec
ID: 365
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:u8 addr[16];\toffset:16;\tsize:16;\tsigned:0;

print fmt: "filename=%s", __get_str(filename)
"""


@dataclass
class RecordedTarget:
    """`files`: path -> its function symbols.  `traceable`: (module, function) or None where the list cannot be read."""

    formats: dict[tuple[str, str], str] = field(
        default_factory=lambda: {
            ("sched", "sched_switch"): SCHED_SWITCH,
            ("sched", "sched_process_exec"): EXEC,
            ("syscalls", "sys_enter_openat"): OPENAT,
        }
    )
    named: dict[tuple[str, str], Type] = field(default_factory=lambda: dict(BASIC))
    raw: dict[str, Function] = field(
        default_factory=lambda: {
            "sched_switch": Function(
                "sched_switch",
                "vmlinux",
                (("preempt", types.BOOL), ("prev", types.Pointer(types.VOID))),
                types.VOID,
                ("bool", "struct task_struct *"),
            )
        }
    )
    kernel_functions: dict[str, Function] = field(default_factory=dict)
    traceable: list[tuple[str, str]] | None = field(
        default_factory=lambda: [
            ("vmlinux", "vfs_open"),
            ("vmlinux", "vfs_read"),
            ("vmlinux", "vfs_read.part.0"),
            ("kvm", "kvm_init"),
            ("kvm", "shared"),
            ("xfs", "shared"),
        ]
    )
    files: dict[str, list[ElfSymbol]] = field(
        default_factory=lambda: {
            "/bin/prog": [
                ElfSymbol("main", 0x1000, 0x40, 0x1000),
                ElfSymbol("read_a", 0x1040, 0x10, 0x1040),
                ElfSymbol("read_b", 0x1050, 0x10, 0x1050),
                ElfSymbol("sizeless", 0x1060, 0, 0x1060),
            ],
            "/lib/libx.so": [ElfSymbol("read_c", 0x2000, 8, 0x2000)],
        }
    )
    notes: dict[str, list[UsdtNote]] = field(default_factory=dict)
    features: dict[str, bool | None] = field(default_factory=dict)
    btf: bool = True
    asked: list[str] = field(default_factory=list)
    ahead: bool = False
    is_momentary: bool = False

    def note_file(self, path: str) -> None:
        self.asked.append(path)

    def bpf_object(self, path: str, folders: tuple[str, ...]) -> BpfObject:
        raise ObjectRefused("nothing compiled is recorded")

    # types
    def type_named(self, name: str, tag: str = "") -> Type | None:
        return self.named.get((name, tag))

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return None

    def has_btf(self) -> bool:
        return self.btf

    def types_matching(self, search: str, definitions: bool) -> Iterable[tuple[str, str]]:
        return [("vmlinux", "struct in_addr {\n\t__be32 s_addr;\n};\n" if definitions else "struct in_addr")]

    # kernel
    def function(self, name: str, module: str = "") -> list[Function]:
        found = self.kernel_functions.get(name)
        return [found] if found and module in ("", found.module) else []

    function_declarations = function

    def functions(self, prefix: str = "") -> Iterable[tuple[str, str]]:
        return [(module, name) for module, name in self.traceable or [] if name.startswith(prefix)]

    def listed_by_types(self) -> bool:
        return True

    def parameter_count(self, name: str, module: str) -> int | None:
        found = self.function(name, module)
        return len(found[0].params) if found else None

    def traceable_modules(self, name: str) -> list[str]:
        return sorted(m for m, f in self.traceable or [] if f == name)

    def traceable_problem(self, instead: str = "") -> str:
        return "" if self.traceable is not None else f"Could not read functions from somewhere. {instead}"

    def btf_functions(self) -> Iterable[tuple[str, str]]:
        return [(f.module, f.name) for f in self.kernel_functions.values()]

    def bpf_programs(self) -> Iterable[tuple[int, str]]:
        return [(7, "my_prog"), (9, "other")]

    def kfunc_allowed(self, name: str, program_type: str) -> bool:
        return program_type == "tracing"

    def modules(self) -> Iterable[str]:
        return ["vmlinux", "kvm"]

    def tracepoints(self) -> Iterable[tuple[str, str]]:
        return list(self.formats)

    def tracepoint(self, category: str, event: str) -> TracepointFormat | None:
        text = self.formats.get((category, event))
        self.asked.append(f"{category}:{event}")
        return tracefs.parse_format(category, event, text, self.type_named) if text else None

    def tracepoint_declarations(self, category: str, event: str) -> list[str]:
        return tracefs.field_declarations(self.formats.get((category, event), ""))

    def tracepoint_id(self, category: str, event: str) -> int | None:
        text = self.formats.get((category, event))
        return tracefs.format_id(text) if text else None

    def raw_tracepoints(self) -> Iterable[tuple[str, str]]:
        return [(f.module, name) for name, f in self.raw.items()]

    def raw_tracepoint(self, name: str, module: str = "") -> Function | None:
        found = self.raw.get(name)
        return found if found and module in ("", found.module) else None

    def iterators(self) -> Iterable[str]:
        return ["task", "task_file"]

    def kernel_symbol(self, name: str) -> int | None:
        return None

    def has_kernel_variable(self, name: str) -> bool:
        return name == "runqueues"

    def cgroup_id(self, path: str) -> int | None:
        return 1 if path == "/sys/fs/cgroup" else None

    def feature(self, name: str) -> bool | None:
        return self.features.get(name, False)

    def bpf_cpu(self) -> str:
        return "v3"

    def cpu_slots(self) -> int:
        return 4

    # user space
    def resolve_binary(self, pattern: str, pid: int | None, unsafe: bool = False) -> list[str]:
        from fnmatch import fnmatchcase

        return [p for p in self.files if fnmatchcase(p, pattern) or p.rpartition("/")[2] == pattern]

    def library(self, name: str, pid: int | None) -> str | None:
        return next((p for p in self.files if p.startswith(f"/lib/{name}.so")), None)

    def executable_of(self, pid: int) -> str | None:
        return "/bin/prog"

    def mapped_files(self, pid: int | None) -> list[str]:
        return list(self.files)

    def elf_functions(self, path: str) -> list[ElfSymbol]:
        return self.files.get(path, [])

    def elf_symbol(self, path: str, name: str) -> ElfSymbol | None:
        return next((s for s in self.files.get(path, []) if s.name == name), None)

    def elf_symbol_at(self, path: str, address: int) -> ElfSymbol | None:
        return next((s for s in self.files[path] if s.address <= address < s.address + s.size), None)

    def probed_file(self, path: str) -> tuple[str, int]:
        return path, 0

    def elf_offset(self, path: str, address: int) -> int | None:
        return address

    def elf_loadable(self, path: str) -> bool:
        return path in self.files

    def instruction_boundary(self, path: str, symbol: ElfSymbol, offset: int) -> bool | None:
        return offset % 4 == 0

    def demangle(self, name: str) -> str:
        return ""

    def usdt_notes(self, path: str) -> list[UsdtNote]:
        return self.notes.get(path, [])

    def has_dwarf(self, path: str) -> bool:
        return False

    def dwarf_function(self, path: str, name: str, address: int | None = None) -> Function | None:
        return None

    def missing_debug_file(self, path: str) -> str:
        return ""

    def dwarf_declarations(self, path: str, name: str) -> list[str] | None:
        return None

    def inlined_places(self, path: str, name: str) -> list[int]:
        return []

    def where_inlined(self, path: str, name: str, address: int) -> str:
        return ""

    def line_address(self, path: str, file: str, line: int, column: int) -> int | str | None:
        return None

    def fingerprint(self) -> tuple[str, ...]:
        return ()
