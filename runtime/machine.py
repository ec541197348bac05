"""The live Target: what the compiler may ask about this machine.

Place in the pipeline: handed to sema, the rows and the listing by the driver.  In: names.  Out: types, formats,
symbols, features; what is about programs is in `user_programs`.  What a newcomer would get wrong: every answer that
depends on more than the kernel's build is noted by its identity (`fingerprint`), or the compile cache would serve a
wrong Program later; and nothing is read before it is asked for, BTF (25 ms) least of all.
"""

from __future__ import annotations

import os
from functools import cached_property

from pytrace.diagnostics import MachineError
from pytrace.runtime import identity, tracefs
from pytrace.runtime.user_programs import UserPrograms
from pytrace.target import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pytrace.bpfobject import BpfObject
    from pytrace.runtime.btf import Btf
    from pytrace.runtime.btf_strings import BtfNames
    from pytrace.runtime.features import Features
    from pytrace.target import TracepointFormat
    from pytrace.types import Enum, Type

_RAW_TRACEPOINT_PREFIXES = ("__probestub_", "__traceiter_")
"""Functions that the kernel has for each tracepoint, with its arguments behind one `void *` (the first since 6.4)."""

_MOST_FORMATS = 32
_MOST_PARAMETERS = 6
"""Of those functions, where BTF decides: as many as x86_64 passes in registers."""


class Machine(UserPrograms):
    """This machine.  `traceable_functions`: a file that replaces the kernel's list.  `ahead`: the Program is to run
    later or elsewhere, so what only holds for now is not told."""

    def __init__(
        self,
        *,
        traceable_functions: str = "",
        no_feature: frozenset[str] = frozenset(),
        debuginfo: str = "",
        ahead: bool = False,
    ) -> None:
        super().__init__(debuginfo)
        self.ahead = ahead
        self._traceable_file = traceable_functions
        self._no_feature = no_feature
        self._formats: dict[tuple[str, str], TracepointFormat | None] = {}
        self._raw: dict[tuple[str, str], Function | None] = {}
        self._kfuncs: dict[tuple[str, str], bool] = {}
        self._format_paths: dict[str, None] = {}

    @staticmethod
    def from_options(options: Any) -> Machine:
        """For the command's `Options`."""
        return Machine(
            traceable_functions=options.traceable_functions,
            no_feature=options.no_feature,
            debuginfo=options.debuginfo,
            ahead=bool(options.aot),
        )

    def fingerprint(self) -> tuple[str, ...]:
        """Formats by what they say; if they are many, by what defines events, since reading all is slow."""
        if len(self._format_paths) > _MOST_FORMATS:
            self._note_events()
            return (*self._identities,)
        return (*dict.fromkeys((*self._identities, *map(identity.content, self._format_paths))),)

    @property
    def is_momentary(self) -> bool:
        """Whether an answer depended on what runs at the moment."""
        return identity.never() in self._identities

    @property
    def formats_read(self) -> tuple[str, ...]:
        """The format files of the tracepoints that were asked for."""
        return tuple(self._format_paths)

    @property
    def has_used_btf(self) -> bool:
        """Whether an answer holds for this kernel's types only."""
        found = self.__dict__.get("btf")
        return found is not None and found.described

    def note_file(self, path: str) -> None:
        """A file or folder that the compiler itself has read, or looked for."""
        self._note(identity.file(path))

    # types ------------------------------------------------------------------
    @cached_property
    def btf(self) -> Btf | None:
        """None where the kernel has none."""
        from pytrace.runtime.btf import Btf

        self._note_btf_file()
        return Btf.load()

    @cached_property
    def _names(self) -> BtfNames:
        from pytrace.runtime.btf_strings import BtfNames

        self._note_btf_file()
        self._note_modules()
        return BtfNames.load()

    def _note_btf_file(self) -> None:
        path = os.environ.get("BPFTRACE_BTF")
        if path:
            self._note(identity.file(path))

    def has_btf(self) -> bool:
        return self.btf is not None

    def type_named(self, name: str, tag: str = "") -> Type | None:
        """A kernel type, else one of the programs that have been looked at (for casts in uprobes)."""
        found = self.btf.type_named(name, tag) if self.btf else None
        if self.btf and (found is None or self.btf.module_names()):
            self._note_modules()
        if found is None:
            return self.type_of_programs(name, tag)
        return found

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        if self.btf is None:
            return None
        found = self.btf.enumerator(name)
        if found is None or self.btf.module_names():
            self._note_modules()
        return found

    def _note_modules(self) -> None:
        self._note(identity.modules())

    def types_matching(self, search: str, definitions: bool) -> Iterable[tuple[str, str]]:
        from pytrace.runtime.btf_listing import matching_types

        self._note_modules()
        return matching_types(self.btf, search, definitions) if self.btf else ()

    def bpf_object(self, path: str, folders: tuple[str, ...]) -> BpfObject:
        """A compiled object, or one of C source by the machine's clang."""
        from pytrace.bpfobject import ObjectRefused
        from pytrace.runtime import bpf_object, clang

        self.note_file(path)
        try:
            if not path.endswith(".c"):
                with open(path, "rb") as file:
                    return bpf_object.read(file.read(), path)
            self._note(identity.environment("PATH"))
            made = clang.compile_source(path, folders, lambda: self.btf)
            for name in made.files:
                self.note_file(name)
            return bpf_object.read(made.data, path, made.notes)
        except OSError as error:
            raise ObjectRefused(f"error reading import '{path}': {error.strerror}") from None
        except bpf_object.ObjectError as error:
            raise ObjectRefused(f"{path} cannot be imported: {error}") from None

    # kernel functions ---------------------------------------------------------
    def function(self, name: str, module: str = "") -> list[Function]:
        if self.btf is None:
            return []
        if module != "vmlinux":
            self._note_modules()
        return self.btf.functions(name, module)

    def function_declarations(self, name: str, module: str = "") -> list[Function]:
        """As `function`, with the parameters' and the result's types in C."""
        self._note_modules()
        return self.btf.functions(name, module, declarations=True) if self.btf else []

    @cached_property
    def _traceable(self) -> str | None:
        if self._traceable_file:
            self._note(identity.file(self._traceable_file))
        else:
            self._note_modules()
        try:
            return tracefs.traceable_text(self._traceable_path())
        except MachineError:
            self._note(identity.unreadable(self._traceable_path()))
            return None

    def _traceable_path(self) -> str:
        return self._traceable_file or tracefs.traceable_path()

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return tracefs.left_out()

    @cached_property
    def _function_list(self) -> list[tuple[str, str]]:
        return self._functions_beginning("")

    def _functions_beginning(self, prefix: str) -> list[tuple[str, str]]:
        return tracefs.traceable_functions(self._traceable, self._left_out, prefix) if self._traceable else []

    def functions(self, prefix: str = "") -> Iterable[tuple[str, str]]:
        return self._functions_beginning(prefix) if prefix else self._function_list

    def traceable_modules(self, name: str) -> list[str]:
        return tracefs.traceable_modules(self._traceable, self._left_out, name) if self._traceable else []

    def bpf_programs(self) -> Iterable[tuple[int, str]]:
        from pytrace.runtime.programs import loaded

        self._note(identity.never())
        return loaded()

    def traceable_problem(self, instead: str = "") -> str:
        """The warning to print when the list of traceable functions cannot be read, "" if it can.

        `instead`: what to say behind the fact, where another list would not help.
        """
        if self._traceable is not None:
            return ""
        advice = instead or (
            "If this is expected, use --traceable-functions to set this path manually. This file is needed in order to "
            "determine which functions can safely be traced without causing issues in the kernel."
        )
        return f"Could not read functions from {self._traceable_path()}. {advice}"

    def btf_functions(self) -> Iterable[tuple[str, str]]:
        return self.btf.function_names() if self.btf else ()

    def kfunc_allowed(self, name: str, program_type: str) -> bool:
        """Whether the kernel has function `name` and lets such programs call it."""
        key = (name, program_type)
        if key not in self._kfuncs:
            self._kfuncs[key] = self.features.kfunc(name, program_type) is True
        return self._kfuncs[key]

    def modules(self) -> Iterable[str]:
        self._note_modules()
        try:
            with open("/proc/modules", encoding="latin-1") as file:
                names = [line.split(" ", 1)[0] for line in file]
        except OSError:
            names = []
        return ["vmlinux", *names]

    # tracepoints ----------------------------------------------------------------
    def tracepoints(self) -> Iterable[tuple[str, str]]:
        self._note_events()  # before they are read: one may come meanwhile
        return tracefs.tracepoints()

    def _note_events(self) -> None:
        """What the kernel itself has does not change; modules bring events, and users define some."""
        self._note_modules()
        self._note(identity.content(tracefs.root() + "/dynamic_events"))

    def tracepoint(self, category: str, event: str) -> TracepointFormat | None:
        key = (category, event)
        if key not in self._formats:
            text = self._format_text(category, event)
            self._formats[key] = tracefs.parse_format(category, event, text, self.type_named) if text else None
        return self._formats[key]

    def tracepoint_id(self, category: str, event: str) -> int | None:
        text = self._format_text(category, event)
        return tracefs.format_id(text) if text else None

    def _format_text(self, category: str, event: str) -> str | None:
        text = tracefs.format_text(category, event)
        if "/" not in category + event:
            self._format_paths[tracefs.format_path(category, event)] = None
        return text

    def tracepoint_declarations(self, category: str, event: str) -> list[str]:
        text = self._format_text(category, event)
        return tracefs.field_declarations(text) if text else []

    def listed_by_types(self) -> bool:
        """Whether it is BTF that decides what kernel functions and raw tracepoints are listed, as for the reference
        once the kernel has another BTF object than its own (a module's); else it is the list of functions."""
        return self.btf is not None and self.feature("module_btf") is True

    def parameter_count(self, name: str, module: str) -> int | None:
        return None if self.btf is None else self.btf.parameter_count(name, module)

    def raw_tracepoints(self) -> Iterable[tuple[str, str]]:
        """By their functions: of all where the list of those that can be traced cannot be read."""
        found = dict.fromkeys(row for prefix in _RAW_TRACEPOINT_PREFIXES for row in self._names.beginning_with(prefix))
        if self._traceable is None:
            return list(found)
        if self.listed_by_types():
            return [row for row in found if self._described(*row)]
        listed = {row for prefix in _RAW_TRACEPOINT_PREFIXES for row in self.functions(prefix)}
        return [(m, name) for m, name in found if any((m, p + name) in listed for p in _RAW_TRACEPOINT_PREFIXES)]

    def _described(self, module: str, event: str) -> bool:
        counts = (self.parameter_count(prefix + event, module) for prefix in _RAW_TRACEPOINT_PREFIXES)
        return any(count is not None and count <= _MOST_PARAMETERS for count in counts)

    def raw_tracepoint(self, name: str, module: str = "") -> Function | None:
        key = (name, module)
        if key not in self._raw:
            self._raw[key] = self._find_raw_tracepoint(name, module)
        return self._raw[key]

    def _find_raw_tracepoint(self, name: str, module: str) -> Function | None:
        if self.btf is None:
            return None
        if module != "vmlinux":
            self._note_modules()
        for prefix in _RAW_TRACEPOINT_PREFIXES:
            for found in self.btf.functions(prefix + name, module, declarations=True):
                return Function(name, found.module, found.params[1:], found.result, found.declarations[1:])
        return None

    def iterators(self) -> Iterable[str]:
        """Each has a `struct bpf_iter__NAME` (6.3 added __safe_trusted twins)."""
        found = self._names.beginning_with("bpf_iter__")
        return sorted({name for _, name in found if not name.endswith("__safe_trusted")})

    def kernel_symbol(self, name: str) -> int | None:
        """Through /proc/kallsyms (50 ms the first time)."""
        self._note(identity.boot())
        return self._symbols.get(name)

    def has_kernel_variable(self, name: str) -> bool:
        from pytrace.runtime.btf import VAR

        return self.btf is not None and self.btf.find_func_id(name, "vmlinux", VAR) is not None

    def cgroup_id(self, path: str) -> int | None:
        """A cgroup's id is the inode number of its folder."""
        self._note(identity.file(path))
        try:
            return os.stat(path).st_ino
        except (OSError, ValueError):
            return None

    @cached_property
    def _symbols(self) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            with open("/proc/kallsyms", "rb") as file:
                for line in file:
                    address, _, name = line.split(None, 3)[:3]
                    found.setdefault(name.decode("latin-1"), int(address, 16))
        except OSError:
            pass
        return found

    # features ---------------------------------------------------------------------
    @cached_property
    def features(self) -> Features:
        from pytrace.runtime.features import Features

        return Features(lambda: self.btf, self._no_feature)

    def feature(self, name: str) -> bool | None:
        return self.features.has(name)

    def cpu_slots(self) -> int:
        """How many slots a value per CPU needs in a plain array: the possible CPUs, up to a power of two.

        0 where that does not pay: on many CPUs, and where the kernel does not turn the reading of the CPU's number into
        two instructions (x86_64 and arm64 do since Linux 6.10).
        """
        if self.ahead:
            return 0
        path = "/sys/devices/system/cpu/possible"
        self._note(identity.content(path))
        try:
            with open(path) as f:
                last = int(f.read().strip().replace("-", ",").split(",")[-1])
        except (OSError, ValueError):
            return 0
        if last >= 256 or os.uname().machine not in ("x86_64", "aarch64"):
            return 0
        return 1 << last.bit_length()

    def bpf_cpu(self) -> str:
        """LLVM's name of the instruction set to generate."""
        return "v4" if not self.ahead and self.feature("cpu_v4") else "v3"
