"""The record types of the tables: what one row about a builtin, an aggregate, a probe or a map kind says.

Place in the pipeline: below sema, codegen and runtime, which are handed a `Registry` and call the rows' hooks;
the rows themselves live in `pytrace.defs`.  In: nothing.  Out: `FunctionDef`, `VariableDef`, `AggregateDef`,
`ProbeDef`, `MapDef`.  How a row sees the stage that calls it is in `pytrace.facets`.  What a newcomer would get wrong:
a row's module is imported on a warm start too, for its runtime half, so it must not import llvmlite, lark or codegen at
module level: a lowering works through the `Lowering` that it is given.
"""

from __future__ import annotations

from pytrace.record import record
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from pytrace.attach_points import AttachPoint, AttachSite, Pattern
    from pytrace.facets import CallSite, FoldSite, Handling, Lowering
    from pytrace.grammar import ast
    from pytrace.program import EventSpec, Layout, ProbeSpec
    from pytrace.sema import typed
    from pytrace.target import Target
    from pytrace.types import Type

    _Table = dict[str, Any]

    Handler = Callable[["bytes | memoryview"], None]
else:
    _Table = dict


# ---------------------------------------------------------------- parameters of functions


class Kind:
    """What a parameter takes.  The pass checks number and kind; the row checks the rest."""

    ANY = "any"  # an expression of any printable or storable type
    INT = "int"  # an integer expression
    POINTER = "pointer"  # pointer or integer
    STRING = "string"  # an expression of string type
    STRING_LITERAL = "string literal"  # folds to a string literal
    INT_LITERAL = "int literal"  # folds to an integer literal
    FORMAT = "format"  # string literal, exempt from the length limit
    MAP = "map"  # a bare map
    MAP_OR_ANY = "map or any"  # print(): bare map by reference, else a value
    KEY = "key"  # a key of the preceding MAP, joined into the map's key type
    VARIABLE = "variable"  # a scratch variable to be set
    WORD = "word"  # a bare identifier that the row interprets (nsecs(tai), kstack(perf))
    TYPE = "type"  # typeof(T)


@record
class Param:
    name: str
    kind: str = Kind.ANY
    optional: bool = False
    variadic: bool = False
    """The last parameter only: zero or more of it."""


# ---------------------------------------------------------------- the rows


@record(kw_only=True)
class Def:
    """What every row has.  `doc`: first line a sentence for lists, then the reference text."""

    name: str
    doc: str




@record(kw_only=True)
class FunctionDef(Def):
    """A function.

    `signatures`: as the reference page shows them.  `type_rule` gives the result type (NONE for void) and reports
    errors; `fold` may replace the call by another tree at compile time; `lower` emits code and returns a value as
    `Lowering.value` does (None for void).  `lower_into` may write a memory result straight to `dest`.
    `bind(rt, event)` prepares, once, the handler of an event that `lower` emitted; `bind_batch`, if given, turns a run
    of records of one event into output bytes at once (text mode only; None: this event goes record by record).
    `providers`: where it may be called, () = everywhere.  `unsafe_text`: the error without --unsafe, "" = safe.
    """

    signatures: tuple[str, ...]
    params: tuple[Param, ...] = ()
    type_rule: Callable[[CallSite], Type]
    fold: Callable[[FoldSite], ast.Expr | None] | None = None
    lower: Callable[[Lowering, typed.Call], Any] | None = None
    lower_into: Callable[[Lowering, typed.Call, Any], None] | None = None
    bind: Callable[[Handling, EventSpec], Handler] | None = None
    bind_batch: Callable[[Handling, EventSpec], Callable[[list[bytes]], bytes] | None] | None = None
    providers: tuple[str, ...] = ()
    unsafe_text: str = ""
    unstable: str = ""
    asynchronous: bool = False
    diverges: bool = False
    """The probe ends with the call, as with `return` (exit())."""
    constants: Callable[[], Mapping[str, int]] | None = None
    """Names that stand for numbers within its arguments: `strerror(EPERM)`."""
    text_params: bool = False
    """`$N` as the first argument, or on the left of its `+`, is the parameter's text and never a number (str())."""
    declares_option: bool = False
    """Its first argument names an option of the command line, the others are its default and description."""
    long_literals: bool = False
    """String literals in its arguments may exceed max_strlen."""
    library: bool = False
    """A macro in the reference: a wrong number of arguments is told as for the script's own macros."""
    needs: tuple[str, ...] = ()


@record(kw_only=True)
class VariableDef(Def):
    """A builtin value; `params` when it may be called (`nsecs(tai)`, `pid(init)`).  `signatures`, hooks as above."""

    signatures: tuple[str, ...]
    params: tuple[Param, ...] = ()
    type_rule: Callable[[CallSite], Type]
    fold: Callable[[FoldSite], ast.Expr | None] | None = None
    lower: Callable[[Lowering, typed.Builtin], Any] | None = None
    lower_into: Callable[[Lowering, typed.Builtin, Any], None] | None = None
    bind: Callable[[Handling, EventSpec], Handler] | None = None
    providers: tuple[str, ...] = ()
    library: bool = False
    """A macro in the reference: a wrong number of arguments is told as for the script's own macros."""
    family: str = ""
    """The title of a series of which the reference page shows only the first."""
    reserved: bool = False
    """Cannot be a macro parameter, a type in a cast, or redefined (spec 01 §2.3)."""
    unstable: str = ""
    by_place: bool = False
    """Even of one function, it is elsewhere at each place where that was inlined."""
    allowed_in_loops: bool = True
    """False for what needs the probe's context: refused inside `for` bodies."""
    needs: tuple[str, ...] = ()


@record(kw_only=True)
class AggregateDef(Def):
    """An aggregating function.

    `type_rule` returns the Aggregate type.  `record(t)`: the per-CPU record (or one bucket's, if `buckets` is given).
    `lower(em, record_ptr, args, t)` updates it in place; a fresh record is all zero.  With `buckets(t)` (number of
    buckets) `bucket(em, args, t)` emits the i64 bucket index first.
    `lower_read(em, records, t)`: emits reading across CPUs for castable ones; `records(n)` … see codegen.maps.
    Runtime half: `combine(t, [record bytes of each CPU])` -> value, with `buckets` `combine(t, [(bucket, [record bytes
    of each CPU])])`; `sort_key(t, value)`; `render(t, value, div)` text of a map line's right-hand side, or, when
    `is_histogram`, the rows; `to_json(t, value, div)`; `json_type` "map", "stats", "hist" or "tseries".
    The row of aggregate NAME lies in the module `defs/aggregates/NAME.py`: a warm start finds it by its name.
    """

    signatures: tuple[str, ...]
    params: tuple[Param, ...] = ()
    type_rule: Callable[[CallSite], Type]
    record: Callable[[Type], Layout]
    lower: Callable[[Lowering, Any, tuple[typed.Expr, ...], Type], None]
    buckets: Callable[[Type], int] | None = None
    bucket: Callable[[Lowering, tuple[typed.Expr, ...], Type], Any] | None = None
    castable: bool = False
    example: str = ""
    """A call of it, for messages: `hist(retval)`."""
    merge: Callable[[Lowering, Any, Any, Type], None] | None = None
    """`merge(em, total_ptr, record_ptr, t)`: add one CPU's record to a zeroed total, in BPF (castable ones)."""
    finish: Callable[[Lowering, Any, Type], Any] | None = None
    """`finish(em, total_ptr, t)`: the i64 value of a merged record (castable ones)."""
    combine: Callable[[Type, list[Any]], Any]
    sort_key: Callable[[Type, Any], Any] | None
    """None: entries are sorted by key."""
    settle: Callable[[Type, list[Any]], None] | None = None
    """Look at the combined values of all keys together before they are shown."""
    render: Callable[[Type, Any, int], str]
    to_json: Callable[[Type, Any, int], Any]
    is_histogram: bool = False
    json_type: str = "map"
    unstable: str = ""


@record(kw_only=True)
class MapDef(Def):
    """A map kind of `let @m = kind(n)`: `kernel_kind` is MapSpec.kind; `per_cpu` as declared."""

    kernel_kind: str
    per_cpu: bool


@record(kw_only=True)
class ProbeDef(Def):
    """A provider.

    `aliases`: other spellings.  `probetype`: what `probetype` shows.  `syntax`: lines for help.  `space`: default
    address space (a syscall tracepoint's ArgRead says otherwise by Field.space).
    `parts`: allowed numbers of parts after the provider.
    Three steps, each over all attach points of a script before the next begins: `parse(site, parts)` reads the parts
    behind the provider (None after reporting why); `check(site, pattern)` reports what is wrong with it and resolves
    targets in place; `expand(site, pattern)` gives the attach points, [] when nothing matches (who calls reports that:
    an error for a name, nothing for a pattern that `is_pattern` says may match nothing).
    `listing(target, pattern parts)` yields the canonical names (with their parameter lines) for `-l`.
    `arg_count`: how many argN there are (0 = none); `lower_argn(em, n)`; `lower_arg(em, instance, field, index, dest)`
    for `args.x`; `lower_retval(em, type)`; `ctx_type`: BTF struct of `ctx`, "" = none.
    `attach(session, probe, program_fd)`: runtime half, returns an object with `disable()` and `close()`.
    `pid_filter`: prepend a pid test with -p (spec 03 §6).  `counts`: part of `Attached N probes`.
    `return_code`: what the program returns at its end when the body has no `return` value.
    """

    aliases: tuple[str, ...] = ()
    probetype: str = ""
    syntax: tuple[str, ...] = ()
    space: str = Space.NONE
    parts: tuple[int, ...] = ()
    listable: bool = False
    user_space: bool = False
    features: frozenset[str] = frozenset()
    """Which context builtins exist here: args argn retval ctx reg func signal usermode path skboutput uaddr override.
    Also `own_arguments` (where argN lies differs from one attach point to the next) and `traceable` (what matches comes
    from the kernel's list of traceable functions)."""
    arg_count: int = 0
    ctx_type: str = ""
    parse: Callable[[AttachSite, list[str]], Pattern | None]
    check: Callable[[AttachSite, Pattern], None] | None = None
    expand: Callable[[AttachSite, Pattern], list[AttachPoint]]
    is_pattern: Callable[[AttachSite, Pattern], bool] | None = None
    """Whether an expansion without matches is no error of its own (wildcards); None: never."""
    lacking: Callable[[Target], str] | None = None
    """What this kernel lacks so that no probe of this kind can be, and what may do instead; "" if nothing."""
    hint: Callable[[AttachSite, Pattern], str] | None = None
    """What may help when nothing matched and the kernel lacks nothing: a name that is close; "" for nothing."""
    listing: Callable[[Target, list[str], bool], Iterator[tuple[str, list[str]]]] | None = None
    lower_argn: Callable[[Lowering, int], Any] | None = None
    argn_problem: Callable[[AttachPoint, int], str] | None = None
    """`argn_problem(point, n)`: why argN cannot be read there, "" if it can."""
    lower_arg: Callable[[Lowering, typed.ArgRead, Any], Any] | None = None
    """`lower_arg(em, read, dest)`: a scalar's value (dest None), or a memory field written to / left at a `ptr`."""
    lower_retval: Callable[[Lowering, Type], Any] | None = None
    attach: Callable[[Any, ProbeSpec, int], Any] | None = None
    phase: str = "attach"
    """`begin`, `end`, `signal` (run by the runtime itself), `attach`, `iter`, `test`, `bench`."""
    attach_last_first: bool = False
    pid_filter: bool = False
    return_code: int = 0
    session: Callable[[Target, AttachPoint, AttachPoint], tuple[AttachPoint, AttachPoint] | None] | None = None
    """Of a provider whose probe can become one program with its return probe (kprobe sessions): given the two, which
    have equal `AttachPoint.session`, what they are then; only the first is attached.  None: not on this kernel."""
    args_are_parameters: bool = False
    """`args` are a function's parameters (a wrong name is "Can't find function parameter"), not a record's fields."""


# ---------------------------------------------------------------- the registry


class Rows(_Table):
    """The rows of one kind by name.  A name that is only expected has its module loaded when it is looked up; to walk
    over all rows loads all, in the order of the modules."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.expected: dict[str, str] = {}

    def _settle(self, name: str) -> None:
        """Have the row of that name loaded; all, if it is the name of no row that is expected, to be sure."""
        module = self.expected.get(name)
        if module is not None:
            self._registry.load(module)
        elif name.removeprefix("__builtin_") not in self._registry.known:
            self._registry.load_all()

    def __missing__(self, name: str) -> Any:
        self._settle(name)
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._settle(name)
        return dict.get(self, name, default)

    def __contains__(self, name: object) -> bool:
        self._settle(str(name))
        return dict.__contains__(self, name)

    def loaded(self) -> Iterable[Any]:
        """The rows that are there already."""
        return dict.values(self)

    def __iter__(self) -> Iterator[str]:
        self._registry.load_all()
        return dict.__iter__(self)

    def keys(self) -> Any:
        self._registry.load_all()
        return dict.keys(self)

    def values(self) -> Any:
        self._registry.load_all()
        return dict.values(self)

    def items(self) -> Any:
        self._registry.load_all()
        return dict.items(self)

    def __len__(self) -> int:
        self._registry.load_all()
        return dict.__len__(self)


_KINDS: dict[type, str] = {
    FunctionDef: "functions", VariableDef: "variables", AggregateDef: "aggregates", ProbeDef: "probes", MapDef: "maps",
}  # fmt: skip


def kind_of(row: Def) -> str:
    """The table that a row belongs to."""
    return _KINDS[type(row)]


def spellings(row: Def) -> tuple[str, ...]:
    """Every name that means the row."""
    return (row.name, *(row.aliases if isinstance(row, ProbeDef) else ()))


class Registry:
    """All rows by name.  `key_of`/`row` name a row in a stored Program: `functions.output:printf`.

    `read` gives the rows of a module, one of `modules`.
    """

    def __init__(self, read: Callable[[str], Iterable[Def]] = lambda _: (), modules: tuple[str, ...] = ()) -> None:
        self._read, self._modules = read, modules
        self._loaded: set[str] = set()
        self._keys: dict[int, str] = {}
        self.known: frozenset[str] = frozenset()
        """Every name that is expected, of any kind."""
        self._tables = {kind: Rows(self) for kind in _KINDS.values()}
        self.functions: dict[str, FunctionDef] = self._tables["functions"]
        self.variables: dict[str, VariableDef] = self._tables["variables"]
        self.aggregates: dict[str, AggregateDef] = self._tables["aggregates"]
        self.probes: dict[str, ProbeDef] = self._tables["probes"]
        self.maps: dict[str, MapDef] = self._tables["maps"]

    def expect(self, names: Mapping[str, Mapping[str, str]]) -> None:
        """By kind, the module of each name."""
        self.known = frozenset().union(*names.values())
        for kind, found in names.items():
            self._tables[kind].expected = dict(found)

    def load(self, module: str) -> None:
        """Enter the rows of a module, once; two rows of one kind and name are a bug."""
        if module in self._loaded:
            return
        self._loaded.add(module)
        for row in self._read(module):
            table = self._tables[kind_of(row)]
            if dict.__contains__(table, row.name):
                raise ValueError(f"two rows called {row.name}")
            dict.__setitem__(table, row.name, row)
            self._keys[id(row)] = f"{module}:{row.name}"

    def load_all(self) -> None:
        """Enter all rows, in the order of the modules."""
        if len(self._loaded) == len(self._modules):
            return
        for table in self._tables.values():
            dict.clear(table)
        self._loaded.clear()
        for module in self._modules:
            self.load(module)

    def function(self, name: str) -> FunctionDef | None:
        """By name; `__builtin_NAME` is another spelling of NAME."""
        return self.functions.get(name) or self.functions.get(name.removeprefix("__builtin_"))

    def variable(self, name: str) -> VariableDef | None:
        """As `function`."""
        return self.variables.get(name) or self.variables.get(name.removeprefix("__builtin_"))

    def providers(self) -> list[ProbeDef]:
        """All rows of probes, without loading those of other kinds."""
        for module in self._modules:
            if module.startswith("probes."):
                self.load(module)
        return list(self._tables["probes"].loaded())

    def key_of(self, row: Def) -> str:
        return self._keys[id(row)]

    def probe(self, provider: str) -> ProbeDef | None:
        """By name or alias; names ignore case, the aliases `U` and `u` do not (spec 01 §1)."""
        lower = provider.lower()
        table = self._tables["probes"]
        table.get(provider if provider in self.known else lower)  # an alias too has its module loaded
        for row in table.loaded():
            if provider in row.aliases:
                return row  # type: ignore[no-any-return]
        for row in table.loaded():
            if lower == row.name or (lower in row.aliases and lower != "u"):
                return row  # type: ignore[no-any-return]
        return None


__all__ = [
    "AggregateDef", "Def", "FunctionDef", "Handler", "Kind", "MapDef", "Param", "ProbeDef", "Registry", "VariableDef",
]  # fmt: skip
