"""tracefs: which tracepoints there are, what their records hold, which kernel functions can be traced.

Place in the pipeline: below `runtime.machine`.  In: the mounted tracefs and a way to look up C types.  Out: names,
`TracepointFormat`.  What a newcomer would get wrong: a format's type is C text without its typedefs, and its size is
what lies in the record: a syscall's `int fd` takes 8 bytes there, so size and sign come from the format, the
rest from the type's name.
"""

from __future__ import annotations

import os

from pytrace import types
from pytrace.diagnostics import MachineError
from pytrace.record import replace
from pytrace.target import TracepointFormat
from pytrace.types import Field, Pointer, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytrace.types import Type

    TypeLookup = Callable[[str, str], "Type | None"]

"""(name, tag) -> type, as Target.type_named."""

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")


def root() -> str:
    """Where tracefs is mounted.  Raises MachineError with what to do when it is not."""
    place = _mounted()
    if place:
        return place
    if os.geteuid() != 0:
        raise MachineError(
            "Cannot read the kernel's tracing files (tracefs)",
            advice="Run as root.  If tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing",
            exit_status=1,
        )
    raise MachineError(
        "tracefs is not mounted, so tracepoints and the list of traceable functions cannot be read",
        advice="Mount it: mount -t tracefs tracefs /sys/kernel/tracing",
        exit_status=1,
    )


def _mounted() -> str:
    return next((place for place in _PLACES if os.path.isdir(place + "/events")), "")


def _read(path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError as error:
        advice = "Run as root." if isinstance(error, PermissionError) else ""
        raise MachineError(f"Cannot read {path}: {error.strerror}", advice=advice, exit_status=1) from None


def tracepoints() -> list[tuple[str, str]]:
    """(category, event) of every tracepoint, in the kernel's order; one read, 1 ms for 2,300 events."""
    rows = []
    for line in _read(root() + "/available_events").split("\n"):
        category, colon, event = line.partition(":")
        if colon:
            rows.append((category, event))
    return rows


def traceable_path() -> str:
    """Where the kernel lists its traceable functions."""
    return (_mounted() or _PLACES[0]) + "/available_filter_functions"


def traceable_text(path: str) -> str:
    """That list, or one in its form (--traceable-functions): lines `name` or `name [module]`.

    Raises MachineError when it cannot be read; some kernels refuse it even to root.
    """
    return _read(path)


_UNSTABLE = frozenset(("arch_cpu_idle", "default_idle", "bpf_dispatcher_xdp_func"))
_UNSTABLE_PREFIXES = ("rcu_", "__ftrace_invalid_address__")
"""Functions that can bring a kernel down when they are traced, though it says that they can be: those that the kernel's
own test (tools/testing/selftests/bpf/prog_tests/kprobe_multi_test.c) leaves out.  Here as for the reference they are
not in the list."""
_BLACKLIST = "/sys/kernel/debug/kprobes/blacklist"
"""What NOKPROBE_SYMBOL marks in the kernel: ftrace lists some of it, and a kprobe there is refused."""


def left_out() -> frozenset[str]:
    """The functions to leave out of the list, with those of the kernel's own list where debugfs is mounted."""
    try:
        return _UNSTABLE.union(line.rpartition("\t")[2] for line in _read(_BLACKLIST).split("\n"))
    except MachineError:
        return _UNSTABLE


def traceable_functions(text: str, without: frozenset[str], prefix: str = "") -> list[tuple[str, str]]:
    """(module, function) of such a list, in its order; of the functions that begin with `prefix`."""
    rows = []
    for line in _beginning(text, prefix) if prefix else text.split("\n"):
        if line and not line.startswith(_UNSTABLE_PREFIXES):
            function, _, rest = line.partition(" [")
            if function not in without:
                rows.append((rest[:-1] if rest else "vmlinux", function))
    return rows


def _beginning(text: str, prefix: str) -> Iterator[str]:
    """The lines that begin with `prefix`, found without taking the text apart."""
    needle, text = f"\n{prefix}", f"\n{text}\n"
    at = text.find(needle)
    while at >= 0:
        end = text.index("\n", at + 1)
        yield text[at + 1 : end]
        at = text.find(needle, end)


def traceable_modules(text: str, without: frozenset[str], name: str) -> list[str]:
    """The modules in which `name` is listed, found without taking the list apart."""
    found: set[str] = set()
    if name.startswith(_UNSTABLE_PREFIXES) or name in without:
        return []
    text = f"\n{text}\n"
    at = text.find(f"\n{name}")
    while at >= 0:
        rest = text[at + 1 + len(name) : text.index("\n", at + 1)]
        if not rest:
            found.add("vmlinux")
        elif rest.startswith(" ["):
            found.add(rest[2:-1])
        at = text.find(f"\n{name}", at + 1)
    return sorted(found)


def format_path(category: str, event: str) -> str:
    return f"{root()}/events/{category}/{event}/format"


def format_text(category: str, event: str) -> str | None:
    """The format file, None where there is no such event."""
    if "/" in category + event or category in ("", ".", "..") or event in ("", ".", ".."):
        return None
    path = format_path(category, event)
    return _read(path) if os.path.exists(path) else None


def field_declarations(text: str) -> list[str]:
    """The C declarations of a format's own fields (behind the common ones), as the kernel wrote them."""
    own = text.partition("\n\n")[2]
    return [line[7 : line.index(";")] for line in own.split("\n") if line.startswith("\tfield:")]


def format_id(text: str) -> int:
    """The event's number."""
    at = text.index("\nID:") + 4
    return int(text[at : text.index("\n", at)])


def parse_format(category: str, event: str, text: str, lookup: TypeLookup) -> TracepointFormat:
    """`text` is a format file (kernel/trace/trace_events.c, f_show)."""
    common: list[Field] = []
    own: list[Field] = []
    rows = common
    for line in text.split("\n"):
        if line.startswith("\tfield:"):
            rows.append(_field(line, category, lookup))
        elif not line and rows:
            rows = own
    return TracepointFormat(category, event, format_id(text), tuple(own), tuple(common))


def _field(line: str, category: str, lookup: TypeLookup) -> Field:
    parts = {}
    for part in line.strip().split(";"):
        key, _, value = part.strip().partition(":")
        parts[key] = value
    declaration = parts["field"]
    type_text, _, name = declaration.rstrip().rpartition(" ")
    name, bracket, rest = name.partition("[")
    offset, size, signed = int(parts["offset"]), int(parts["size"]), parts.get("signed") == "1"
    if type_text.startswith(("__data_loc", "__rel_loc")):
        tag = "rel_loc" if type_text.startswith("__rel_loc") else ""
        return Field(name, types.INT64, offset, data_loc=True, space=Space.KERNEL, tag=tag, declaration=declaration)
    length = int(rest.rstrip("]") or 0) if bracket and rest.rstrip("]").isdigit() else None
    if bracket and length is None:
        length = 0 if rest == "]" else size
    t = _type(type_text.strip(), size, signed, length, lookup)
    space = Space.USER if category == "syscalls" else Space.KERNEL
    return Field(name, t, offset, space=space, declaration=declaration)


def _type(text: str, size: int, signed: bool, length: int | None, lookup: TypeLookup) -> Type:
    if length is not None:
        if text == "char":
            return types.String(length)
        element_size = size // length if length else 1
        return types.Array(_scalar(c_type(text, lookup), element_size, None), length)
    return _scalar(c_type(text, lookup), size, signed)


def _scalar(t: Type | None, size: int, signed: bool | None) -> Type:
    """`t` as it lies in a record: with the record's size and, for integers, the record's sign."""
    if isinstance(t, types.Int) and size in (1, 2, 4, 8):
        return types.Int(size * 8, t.signed if signed is None else signed)
    if isinstance(t, types.Enum):
        return replace(t, bits=size * 8) if size in (1, 2, 4, 8) else t
    if t is not None and t.size == size and not isinstance(t, (types.NoneType, types.VoidType)):
        return t
    if size in (1, 2, 4, 8):
        return types.Int(size * 8, bool(signed))
    return types.Array(types.UINT8, size)


def c_type(text: str, lookup: TypeLookup) -> Type | None:
    """The type that C text without a declarator names: `const char *`, `struct file *const`, `unsigned long long`."""
    words = text.replace("*", " * ").split()
    base: list[str] = []
    stars = 0
    for word in words:
        if word == "*":
            stars += 1
        elif word not in ("const", "volatile", "restrict", "__seg_gs", "__user", "__rcu", "__percpu", "__iomem") and (
            not word.startswith("__attribute__")
        ):
            base.append(word)
    t = _base_type(base, lookup)
    if t is None and stars:
        t = types.VOID
    for _ in range(stars):
        t = Pointer(t if t is not None else types.VOID)
    return t


_SPECIFIERS = frozenset(("unsigned", "signed", "int", "long", "short", "char"))


def _base_type(words: list[str], lookup: TypeLookup) -> Type | None:
    if not words:
        return None
    if words[0] in ("struct", "union", "enum"):
        tag, name = words[0], " ".join(words[1:])
        found = lookup(name, tag)
        if found is None and tag != "enum":
            return types.Struct(tag, name, None)
        return found
    if words == ["void"]:
        return types.VOID
    if all(w in _SPECIFIERS for w in words):
        if words == ["char"]:
            return lookup("char", "") or types.INT8
        bits = 8 if "char" in words else 16 if "short" in words else 64 if "long" in words else 32
        return types.Int(bits, "unsigned" not in words)
    return lookup(" ".join(words), "")
