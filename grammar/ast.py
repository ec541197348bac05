"""The abstract syntax tree: frozen nodes, each with its span.

Place in the pipeline: out of `parser.py`, into the passes of `pytrace.sema`.  What a newcomer would get
wrong: spans take no part in equality (the round-trip tests compare trees from different texts), and no
pass changes a node: a pass returns a new tree (`dataclasses.replace`) or a side table.

`@m[a, b]` is stored as a key that is one Tuple node (spec 01 note 11).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

from pytrace.source import Span

_Class = TypeVar("_Class", bound=type)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: _Class) -> _Class:
    """A frozen dataclass with slots, to mypy.

    At run time only `__init__` is generated and nothing stops an assignment: sixty classes frozen by
    `dataclass` itself cost every start 20 ms, these 6, and building a tree is three times as fast.
    """
    return dataclass(slots=True, eq=False, repr=False)(cls)  # type: ignore[return-value]


@node
class Node:
    """Compared and shown by the positional fields: every field that is not one (spans) is `kw_only`."""

    span: Span = field(compare=False, repr=False, kw_only=True)

    def __eq__(self, other: object) -> bool:
        if self.__class__ is not other.__class__:
            return NotImplemented
        names: tuple[str, ...] = self.__match_args__
        return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]

    def __hash__(self) -> int:
        names: tuple[str, ...] = self.__match_args__
        return hash((self.__class__, *[getattr(self, name) for name in names]))

    def __repr__(self) -> str:
        names: tuple[str, ...] = self.__match_args__
        shown = [f"{name}={getattr(self, name)!r}" for name in names]
        return f"{type(self).__name__}({', '.join(shown)})"


class Expr(Node):
    __slots__ = ()


class Stmt(Node):
    __slots__ = ()


class TypeExpr(Node):
    __slots__ = ()


# ---------------------------------------------------------------- types as written


@node
class TypeName(TypeExpr):
    """`int32`, `string`, `struct task_struct` (tag "struct"), any BTF or user type."""

    name: str
    tag: str = ""


@node
class PointerTo(TypeExpr):
    base: TypeExpr


@node
class ArrayOf(TypeExpr):
    """`T[n]`; `length` None for `T[]`.  For `string[8]`, `buffer[8]`, `inet[8]` it is the capacity."""

    base: TypeExpr
    length: int | None


@node
class TypeOf(TypeExpr):
    """`typeof(x)`; also a macro argument."""

    of: TypeExpr | Expr


# ---------------------------------------------------------------- expressions


@node
class Integer(Expr):
    """`value` is never negative when parsed; folding makes negative ones.  `sign_fixed`: came from a unary
    minus, so its sign is not flexible (spec 02 §2)."""

    value: int
    sign_fixed: bool = False


@node
class String(Expr):
    """`value` after escapes, one character a byte (latin-1)."""

    value: str


@node
class Boolean(Expr):
    value: bool


@node
class Variable(Expr):
    """`$name`; `name` without the `$`."""

    name: str


@node
class Map(Expr):
    """`@name` without a key; `name` without the `@`, "" for the bare one."""

    name: str


@node
class MapAccess(Expr):
    map: Map
    key: Expr


@node
class PosParam(Expr):
    """`$N`, N ≥ 1."""

    number: int


@node
class ParamCount(Expr):
    """`$#`."""


@node
class Identifier(Expr):
    """A bare word: builtin, macro without arguments, enumerator or `#define`."""

    name: str


@node
class Call(Expr):
    name: str
    args: tuple[Expr | TypeOf, ...]
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@node
class Tuple(Expr):
    elements: tuple[Expr, ...]


@node
class RecordField(Node):
    name: str
    value: Expr


@node
class Record(Expr):
    fields: tuple[RecordField, ...]


@node
class Cast(Expr):
    """`(type)expr`; its span is the parenthesised type only (spec 07 §2)."""

    type: TypeExpr
    expr: Expr


@node
class Unary(Expr):
    """`op` one of `-  !  ~  *`."""

    op: str
    expr: Expr


@node
class IncDec(Expr):
    """`op` `++` or `--`; target a Variable, Map or MapAccess."""

    op: str
    prefix: bool
    target: Expr


@node
class AddressOf(Expr):
    target: Variable | Map | MapAccess


@node
class Binary(Expr):
    """`op` one of `|| && | ^ & == != < <= > >= << >> + - * / %`."""

    op: str
    left: Expr
    right: Expr


@node
class Ternary(Expr):
    """`cond ? then : otherwise`; `then` None for the short form `cond ?: otherwise`."""

    cond: Expr
    then: Expr | None
    otherwise: Expr


@node
class FieldAccess(Expr):
    """`base.name`; `->` is the same (spec 02 §6)."""

    base: Expr
    name: str
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@node
class TupleAccess(Expr):
    """`base.N`."""

    base: Expr
    index: int


@node
class Index(Expr):
    """`base[index]` on anything but a map."""

    base: Expr
    index: Expr


@node
class Block(Expr):
    """`{ statements [value] }`; also the body of probes, loops and macros."""

    statements: tuple[Stmt, ...]
    value: Expr | None = None


@node
class If(Expr):
    cond: Expr
    then: Block
    otherwise: Block | If | None = None


@node
class SizeOf(Expr):
    of: TypeExpr | Expr


@node
class OffsetOf(Expr):
    of: TypeExpr | Expr
    path: tuple[str, ...]


@node
class TypeInfo(Expr):
    of: TypeExpr | Expr


@node
class Comptime(Expr):
    expr: Expr


# ---------------------------------------------------------------- statements


@node
class ExprStmt(Stmt):
    """An expression as a statement.  If, Block, calls and ++/-- come here too."""

    expr: Expr


@node
class Let(Stmt):
    """`let $x [: type] [= value]`; `declaration` spans `let $x`."""

    variable: Variable
    type: TypeExpr | None
    value: Expr | None
    declaration: Span = field(compare=False, repr=False, kw_only=True)


@node
class Assign(Stmt):
    """`target op value`; `op` is `=` or a compound form such as `+=`."""

    target: Variable | Map | MapAccess
    op: str
    value: Expr


@node
class Discard(Stmt):
    """`_ = value`."""

    value: Expr


@node
class Break(Stmt):
    pass


@node
class Continue(Stmt):
    pass


@node
class Return(Stmt):
    value: Expr | None = None


@node
class Range(Node):
    """`start..end`, half-open."""

    start: Expr
    end: Expr


@node
class For(Stmt):
    variable: Variable
    iterable: Map | Range
    body: Block


@node
class While(Stmt):
    cond: Expr
    body: Block


@node
class Unroll(Stmt):
    count: Expr
    body: Block


@node
class ImportStmt(Stmt):
    path: str


# ---------------------------------------------------------------- the root


@node
class CDefinition(Node):
    """A `#…` line or a struct/union/enum definition, verbatim."""

    text: str


@node
class ConfigAssignment(Node):
    key: str
    value: str | int | bool
    """A str for both strings and identifiers."""


@node
class Config(Node):
    assignments: tuple[ConfigAssignment, ...]


@node
class RootImport(Node):
    path: str


@node
class AttachPoint(Node):
    """The raw attach text, split later by the ProbeDef (spec 03 §1)."""

    text: str


@node
class Probe(Node):
    attach_points: tuple[AttachPoint, ...]
    predicate: Expr | None
    body: Block


@node
class MacroParam(Node):
    """`kind` one of `variable`, `map`, `expr`; `name` without its sigil."""

    kind: str
    name: str


@node
class Macro(Node):
    """Its span is `macro name` (spec 07 §2)."""

    name: str
    params: tuple[MacroParam, ...]
    body: Block


@node
class MapDeclaration(Node):
    """`let @m = kind(max_entries)`."""

    map: Map
    kind: str
    max_entries: int


@node
class Param(Node):
    variable: Variable
    type: TypeExpr


@node
class Subprogram(Node):
    name: str
    params: tuple[Param, ...]
    return_type: TypeExpr
    body: Block


RootItem = Probe | Macro | MapDeclaration | Subprogram


@node
class Script(Node):
    c_definitions: tuple[CDefinition, ...]
    config: Config | None
    imports: tuple[RootImport, ...]
    items: tuple[RootItem, ...]
