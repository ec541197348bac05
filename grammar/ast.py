"""The abstract syntax tree: frozen nodes, each with its span.

Place in the pipeline: out of `parser.py`, into the passes of `pytrace.sema`.  What a newcomer would get
wrong: spans take no part in equality (the round-trip tests compare trees from different texts), and no
pass changes a node: a pass returns a new tree (`record.replace`) or a side table.

`@m[a, b]` is stored as a key that is one Tuple node (spec 01 note 11).
"""

from __future__ import annotations

from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.source import Span


@record
class Node:
    """Compared and shown by the positional fields: every field that is not one (spans) is `kw_only`."""

    span: Span = field(compare=False, repr=False, kw_only=True)


class Expr(Node):
    __slots__ = ()


class Stmt(Node):
    __slots__ = ()


class TypeExpr(Node):
    __slots__ = ()


# ---------------------------------------------------------------- types as written


@record
class TypeName(TypeExpr):
    """`int32`, `string`, `struct task_struct` (tag "struct"), any BTF or user type."""

    name: str
    tag: str = ""


@record
class PointerTo(TypeExpr):
    base: TypeExpr


@record
class ArrayOf(TypeExpr):
    """`T[n]`; `length` None for `T[]`.  For `string[8]`, `buffer[8]`, `inet[8]` it is the capacity."""

    base: TypeExpr
    length: int | None


@record
class TypeOf(TypeExpr):
    """`typeof(x)`; also a macro argument."""

    of: TypeExpr | Expr


# ---------------------------------------------------------------- expressions


@record
class Integer(Expr):
    """`value` is never negative when parsed; folding makes negative ones.  `sign_fixed`: came from a unary
    minus, so its sign is not flexible (spec 02 §2)."""

    value: int
    sign_fixed: bool = False


@record
class String(Expr):
    """`value` after escapes, one character a byte (latin-1)."""

    value: str


@record
class Boolean(Expr):
    value: bool


@record
class Variable(Expr):
    """`$name`; `name` without the `$`."""

    name: str


@record
class Map(Expr):
    """`@name` without a key; `name` without the `@`, "" for the bare one."""

    name: str


@record
class MapAccess(Expr):
    map: Map
    key: Expr


@record
class PosParam(Expr):
    """`$N`, N ≥ 1."""

    number: int


@record
class ParamCount(Expr):
    """`$#`."""


@record
class Identifier(Expr):
    """A bare word: builtin, macro without arguments, enumerator or `#define`."""

    name: str


@record
class Call(Expr):
    name: str
    args: tuple[Expr | TypeOf, ...]
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@record
class Tuple(Expr):
    elements: tuple[Expr, ...]


@record
class RecordField(Node):
    name: str
    value: Expr


@record
class Record(Expr):
    fields: tuple[RecordField, ...]


@record
class Cast(Expr):
    """`(type)expr`; its span is the parenthesised type only (spec 07 §2)."""

    type: TypeExpr
    expr: Expr


@record
class Unary(Expr):
    """`op` one of `-  !  ~  *`."""

    op: str
    expr: Expr


@record
class IncDec(Expr):
    """`op` `++` or `--`; target a Variable, Map or MapAccess."""

    op: str
    prefix: bool
    target: Expr


@record
class AddressOf(Expr):
    target: Variable | Map | MapAccess


@record
class Binary(Expr):
    """`op` one of `|| && | ^ & == != < <= > >= << >> + - * / %`."""

    op: str
    left: Expr
    right: Expr


@record
class Ternary(Expr):
    """`cond ? then : otherwise`; `then` None for the short form `cond ?: otherwise`."""

    cond: Expr
    then: Expr | None
    otherwise: Expr


@record
class FieldAccess(Expr):
    """`base.name`; `->` is the same (spec 02 §6)."""

    base: Expr
    name: str
    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@record
class TupleAccess(Expr):
    """`base.N`."""

    base: Expr
    index: int


@record
class Index(Expr):
    """`base[index]` on anything but a map."""

    base: Expr
    index: Expr


@record
class Block(Expr):
    """`{ statements [value] }`; also the body of probes, loops and macros."""

    statements: tuple[Stmt, ...]
    value: Expr | None = None


@record
class If(Expr):
    cond: Expr
    then: Block
    otherwise: Block | If | None = None


@record
class SizeOf(Expr):
    of: TypeExpr | Expr


@record
class OffsetOf(Expr):
    of: TypeExpr | Expr
    path: tuple[str, ...]


@record
class TypeInfo(Expr):
    of: TypeExpr | Expr


@record
class Comptime(Expr):
    expr: Expr


# ---------------------------------------------------------------- statements


@record
class ExprStmt(Stmt):
    """An expression as a statement.  If, Block, calls and ++/-- come here too."""

    expr: Expr


@record
class Let(Stmt):
    """`let $x [: type] [= value]`; `declaration` spans `let $x`."""

    variable: Variable
    type: TypeExpr | None
    value: Expr | None
    declaration: Span = field(compare=False, repr=False, kw_only=True)


@record
class Assign(Stmt):
    """`target op value`; `op` is `=` or a compound form such as `+=`."""

    target: Variable | Map | MapAccess
    op: str
    value: Expr


@record
class Discard(Stmt):
    """`_ = value`."""

    value: Expr


@record
class Break(Stmt):
    pass


@record
class Continue(Stmt):
    pass


@record
class Return(Stmt):
    value: Expr | None = None


@record
class Range(Node):
    """`start..end`, half-open."""

    start: Expr
    end: Expr


@record
class For(Stmt):
    variable: Variable
    iterable: Map | Range
    body: Block


@record
class While(Stmt):
    cond: Expr
    body: Block


@record
class Unroll(Stmt):
    count: Expr
    body: Block


@record
class ImportStmt(Stmt):
    path: str


# ---------------------------------------------------------------- the root


@record
class CDefinition(Node):
    """A `#…` line or a struct/union/enum definition, verbatim."""

    text: str


@record
class ConfigAssignment(Node):
    key: str
    value: str | int | bool
    """A str for both strings and identifiers."""


@record
class Config(Node):
    assignments: tuple[ConfigAssignment, ...]


@record
class RootImport(Node):
    path: str


@record
class AttachPoint(Node):
    """The raw attach text, split later by the ProbeDef (spec 03 §1)."""

    text: str


@record
class Probe(Node):
    attach_points: tuple[AttachPoint, ...]
    predicate: Expr | None
    body: Block


@record
class MacroParam(Node):
    """`kind` one of `variable`, `map`, `expr`; `name` without its sigil."""

    kind: str
    name: str


@record
class Macro(Node):
    """Its span is `macro name` (spec 07 §2)."""

    name: str
    params: tuple[MacroParam, ...]
    body: Block


@record
class MapDeclaration(Node):
    """`let @m = kind(max_entries)`."""

    map: Map
    kind: str
    max_entries: int


@record
class Param(Node):
    variable: Variable
    type: TypeExpr


@record
class Subprogram(Node):
    name: str
    params: tuple[Param, ...]
    return_type: TypeExpr
    body: Block


RootItem = Probe | Macro | MapDeclaration | Subprogram


@record
class Script(Node):
    c_definitions: tuple[CDefinition, ...]
    config: Config | None
    imports: tuple[RootImport, ...]
    items: tuple[RootItem, ...]
