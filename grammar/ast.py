"""The abstract syntax tree: frozen nodes, each with its span.

Place in the pipeline: out of `parser.py`, into the passes of `pytrace.sema`.  What a newcomer would get
wrong: spans take no part in equality (the round-trip tests compare trees from different texts), and no
pass changes a node: a pass returns a new tree (`dataclasses.replace`) or a side table.

`@m[a, b]` is stored as a key that is one Tuple node (spec 01 note 11).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytrace.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(compare=False, repr=False)


class Expr(Node):
    __slots__ = ()


class Stmt(Node):
    __slots__ = ()


class TypeExpr(Node):
    __slots__ = ()


# ---------------------------------------------------------------- types as written


@dataclass(frozen=True, slots=True)
class TypeName(TypeExpr):
    """`int32`, `string`, `struct task_struct` (tag "struct"), any BTF or user type."""

    name: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PointerTo(TypeExpr):
    base: TypeExpr


@dataclass(frozen=True, slots=True)
class ArrayOf(TypeExpr):
    """`T[n]`; `length` None for `T[]`.  For `string[8]`, `buffer[8]`, `inet[8]` it is the capacity."""

    base: TypeExpr
    length: int | None


@dataclass(frozen=True, slots=True)
class TypeOf(TypeExpr):
    """`typeof(x)`; also a macro argument."""

    of: TypeExpr | Expr


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Integer(Expr):
    """`value` is never negative when parsed; folding makes negative ones.  `sign_fixed`: came from a unary
    minus, so its sign is not flexible (spec 02 §2)."""

    value: int
    sign_fixed: bool = False


@dataclass(frozen=True, slots=True)
class String(Expr):
    """`value` after escapes, one character a byte (latin-1)."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Expr):
    value: bool


@dataclass(frozen=True, slots=True)
class Variable(Expr):
    """`$name`; `name` without the `$`."""

    name: str


@dataclass(frozen=True, slots=True)
class Map(Expr):
    """`@name` without a key; `name` without the `@`, "" for the bare one."""

    name: str


@dataclass(frozen=True, slots=True)
class MapAccess(Expr):
    map: Map
    key: Expr


@dataclass(frozen=True, slots=True)
class PosParam(Expr):
    """`$N`, N ≥ 1."""

    number: int


@dataclass(frozen=True, slots=True)
class ParamCount(Expr):
    """`$#`."""


@dataclass(frozen=True, slots=True)
class Identifier(Expr):
    """A bare word: builtin, macro without arguments, enumerator or `#define`."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Expr):
    name: str
    args: tuple[Expr | TypeOf, ...]
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Tuple(Expr):
    elements: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class RecordField(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Record(Expr):
    fields: tuple[RecordField, ...]


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """`(type)expr`; its span is the parenthesised type only (spec 07 §2)."""

    type: TypeExpr
    expr: Expr


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`op` one of `-  !  ~  *`."""

    op: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class IncDec(Expr):
    """`op` `++` or `--`; target a Variable, Map or MapAccess."""

    op: str
    prefix: bool
    target: Expr


@dataclass(frozen=True, slots=True)
class AddressOf(Expr):
    target: Variable | Map | MapAccess


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`op` one of `|| && | ^ & == != < <= > >= << >> + - * / %`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Ternary(Expr):
    """`cond ? then : otherwise`; `then` None for the short form `cond ?: otherwise`."""

    cond: Expr
    then: Expr | None
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class FieldAccess(Expr):
    """`base.name`; `->` is the same (spec 02 §6)."""

    base: Expr
    name: str
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class TupleAccess(Expr):
    """`base.N`."""

    base: Expr
    index: int


@dataclass(frozen=True, slots=True)
class Index(Expr):
    """`base[index]` on anything but a map."""

    base: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Block(Expr):
    """`{ statements [value] }`; also the body of probes, loops and macros."""

    statements: tuple[Stmt, ...]
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class If(Expr):
    cond: Expr
    then: Block
    otherwise: Block | If | None = None


@dataclass(frozen=True, slots=True)
class SizeOf(Expr):
    of: TypeExpr | Expr


@dataclass(frozen=True, slots=True)
class OffsetOf(Expr):
    of: TypeExpr | Expr
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypeInfo(Expr):
    of: TypeExpr | Expr


@dataclass(frozen=True, slots=True)
class Comptime(Expr):
    expr: Expr


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class ExprStmt(Stmt):
    """An expression as a statement.  If, Block, calls and ++/-- come here too."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Let(Stmt):
    """`let $x [: type] [= value]`; `declaration` spans `let $x`."""

    variable: Variable
    type: TypeExpr | None
    value: Expr | None
    declaration: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Assign(Stmt):
    """`target op value`; `op` is `=` or a compound form such as `+=`."""

    target: Variable | Map | MapAccess
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Discard(Stmt):
    """`_ = value`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Break(Stmt):
    pass


@dataclass(frozen=True, slots=True)
class Continue(Stmt):
    pass


@dataclass(frozen=True, slots=True)
class Return(Stmt):
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`start..end`, half-open."""

    start: Expr
    end: Expr


@dataclass(frozen=True, slots=True)
class For(Stmt):
    variable: Variable
    iterable: Map | Range
    body: Block


@dataclass(frozen=True, slots=True)
class While(Stmt):
    cond: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class Unroll(Stmt):
    count: Expr
    body: Block


@dataclass(frozen=True, slots=True)
class ImportStmt(Stmt):
    path: str


# ---------------------------------------------------------------- the root


@dataclass(frozen=True, slots=True)
class CDefinition(Node):
    """A `#…` line or a struct/union/enum definition, verbatim."""

    text: str


@dataclass(frozen=True, slots=True)
class ConfigAssignment(Node):
    key: str
    value: str | int | bool
    """A str for both strings and identifiers."""


@dataclass(frozen=True, slots=True)
class Config(Node):
    assignments: tuple[ConfigAssignment, ...]


@dataclass(frozen=True, slots=True)
class RootImport(Node):
    path: str


@dataclass(frozen=True, slots=True)
class AttachPoint(Node):
    """The raw attach text, split later by the ProbeDef (spec 03 §1)."""

    text: str


@dataclass(frozen=True, slots=True)
class Probe(Node):
    attach_points: tuple[AttachPoint, ...]
    predicate: Expr | None
    body: Block


@dataclass(frozen=True, slots=True)
class MacroParam(Node):
    """`kind` one of `variable`, `map`, `expr`; `name` without its sigil."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """Its span is `macro name` (spec 07 §2)."""

    name: str
    params: tuple[MacroParam, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class MapDeclaration(Node):
    """`let @m = kind(max_entries)`."""

    map: Map
    kind: str
    max_entries: int


@dataclass(frozen=True, slots=True)
class Param(Node):
    variable: Variable
    type: TypeExpr


@dataclass(frozen=True, slots=True)
class Subprogram(Node):
    name: str
    params: tuple[Param, ...]
    return_type: TypeExpr
    body: Block


RootItem = Probe | Macro | MapDeclaration | Subprogram


@dataclass(frozen=True, slots=True)
class Script(Node):
    c_definitions: tuple[CDefinition, ...]
    config: Config | None
    imports: tuple[RootImport, ...]
    items: tuple[RootItem, ...]
