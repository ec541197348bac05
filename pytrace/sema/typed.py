"""The typed script: what the passes hand to code generation.

Place in the pipeline: out of `sema.infer`, into `pytrace.codegen`.  Every name is resolved to a symbol or a
row, every type is known, every implicit conversion is an explicit `Convert`, every auto-dereference an explicit
`Deref`.  What a newcomer would get wrong: `Deref`, `FieldRead`, `IndexRead` form *places*: code generation
walks down such a chain, computes one address and reads only the bytes of the last step.

Values: scalars (Int, Bool, Enum, Pointer, 8-byte Opaque) live in registers, all other types in memory
(`types.is_memory`).
"""

from __future__ import annotations

from pytrace import types
from pytrace.record import field, record
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.attach_points import AttachPoint
    from pytrace.bpfobject import BpfObject
    from pytrace.registry import AggregateDef, FunctionDef, Registry, VariableDef
    from pytrace.source import Span
    from pytrace.types import Type

# ---------------------------------------------------------------- symbols


@record(frozen=False, eq=False)
class VarSymbol:
    """A scratch variable of one scope.  `fixed`: declared with a type.  `depth` numbers the enclosing loops whose
    body is a callback (`for`), 0 outside: a use at a greater depth than the symbol's goes through the loop's frame."""

    name: str
    span: Span
    type: Type = types.NONE
    space: str = Space.NONE
    fixed: bool = False
    depth: int = 0


@record(frozen=False, eq=False)
class MapSymbol:
    """A map of the script.  `key_type` None = scalar.  `value_type` is an Aggregate for count() and such.
    `declared_kind`: hash, lruhash, percpuhash, percpulruhash or "" ; `max_entries` 0 = max_map_keys."""

    name: str
    span: Span
    key_type: Type | None = None
    value_type: Type = types.NONE
    space: str = Space.NONE
    scalar: bool | None = None
    declared_kind: str = ""
    max_entries: int = 0


@record(frozen=False, eq=False)
class SubprogramSymbol:
    name: str
    params: tuple[VarSymbol, ...]
    return_type: Type
    span: Span
    body: Block | None = None
    space: str = Space.NONE
    """Whose memory a pointer that it returns is in."""


@record(eq=False)
class ExternSymbol:
    """A function of an imported object: `object` is its number in `TypedScript.objects`."""

    name: str
    params: tuple[tuple[str, Type], ...]
    result: Type
    object: int


# ---------------------------------------------------------------- expressions


@record(eq=False)
class Expr:
    type: Type = field(kw_only=True)
    span: Span = field(repr=False, kw_only=True)
    space: str = field(default=Space.NONE, kw_only=True)


@record(eq=False)
class IntConst(Expr):
    """An integer, bool (0/1), enum or pointer constant; `value` may be negative or up to 2^64-1."""

    value: int


@record(eq=False)
class StringConst(Expr):
    """latin-1 text without its NUL; `type` is String(len+1) unless converted."""

    value: str


@record(eq=False)
class Convert(Expr):
    """`operand` as `type`: integer width and sign, bool, enum, pointer <-> integer, integer <-> byte array of the same
    size, string to larger string or to int8 array, tuple/record element by element."""

    operand: Expr


@record(eq=False)
class ToBool(Expr):
    """An integer or pointer as a condition: not zero."""

    operand: Expr


@record(eq=False)
class VarRead(Expr):
    symbol: VarSymbol


@record(eq=False)
class MapRead(Expr):
    """An element (zero when missing); `key` has exactly the map's key type, None for a scalar map.  On an aggregate
    map the type is an integer and the value is combined over all CPUs."""

    map: MapSymbol
    key: Expr | None


@record(eq=False)
class Current(Expr):
    """Inside `UpdateMap.value`: the element's value before the update."""


@record(eq=False)
class AddressOf(Expr):
    """`&$x`, `&@m`, `&@m[k]`."""

    target: VarRead | MapRead


@record(eq=False)
class Deref(Expr):
    """What `pointer` points to, in `pointer.space`.  A place."""

    pointer: Expr


@record(eq=False)
class FieldRead(Expr):
    """A member of a struct or union; `field.offset` counts from `base`.  A place when `base` is one."""

    base: Expr
    field: types.Field


@record(eq=False)
class IndexRead(Expr):
    """`base[index]`, base an Array, String or Pointer (then scaled by the pointee); `index` is int64/uint64.
    A place when `base` is one or a Pointer.  A dynamic index into an Array or String is bounds-checked at run time."""

    base: Expr
    index: Expr


@record(eq=False)
class ElementRead(Expr):
    """Element number `index` of a Tuple or Record value."""

    base: Expr
    index: int


@record(eq=False)
class ArgRead(Expr):
    """`args.name`: `index` is the field's place in `Instance.args`."""

    field: types.Field
    index: int


@record(eq=False)
class TupleExpr(Expr):
    """A Tuple or Record literal; `elements` in the order of the type, `order` the textual order of evaluation."""

    elements: tuple[Expr, ...]
    order: tuple[int, ...] = ()


@record(eq=False)
class Unary(Expr):
    """`op` `-` or `~` on a 64-bit operand; `!` on anything that has a truth value (result bool)."""

    op: str
    operand: Expr


@record(eq=False)
class Binary(Expr):
    """Arithmetic `+ - * / % & | ^ << >>`: both operands 64 bits wide (spec 02 §2 rule 4)."""

    op: str
    left: Expr
    right: Expr


@record(eq=False)
class PointerOffset(Expr):
    """`pointer ± index * scale`; scale in bytes, negative for `-`."""

    pointer: Expr
    index: Expr
    scale: int


@record(eq=False)
class Compare(Expr):
    """`== != < <= > >=`; both operands of one type after conversion, except strings of different capacity.
    Memory types only with `==` and `!=`."""

    op: str
    left: Expr
    right: Expr


@record(eq=False)
class Logical(Expr):
    """`&&`, `||`, short-circuit; operands are bool."""

    op: str
    left: Expr
    right: Expr


@record(eq=False)
class Choose(Expr):
    """`cond ? then : otherwise` and `if` with a value; type NONE when used for effect only."""

    cond: Expr
    then: Expr
    otherwise: Expr


@record(eq=False)
class BlockExpr(Expr):
    body: Block
    value: Expr | None


@record(eq=False)
class IncDec(Expr):
    """`++`/`--` on a variable or map element; `step` is ±1, or ± the pointee size; `prefix` gives the new value."""

    target: VarRead | MapRead
    step: int
    prefix: bool


@record(eq=False)
class MapRef(Expr):
    """A map as an argument of a function (`print(@m)`, `delete(@m, k)`)."""

    map: MapSymbol


@record(eq=False)
class VarRef(Expr):
    """A variable as an out-argument (`find(@m, k, $v)`)."""

    symbol: VarSymbol


@record(eq=False)
class Call(Expr):
    """A function of the tables.  `data`: what its type rule decided (`CallSite.data`), opaque to everyone else."""

    row: FunctionDef
    args: tuple[Expr, ...]
    data: Any = None


@record(eq=False)
class Builtin(Expr):
    """A builtin variable of the tables, with or without arguments (`nsecs(tai)`)."""

    row: VariableDef
    data: Any = None
    args: tuple[Expr, ...] = ()


@record(eq=False)
class SubprogramCall(Expr):
    symbol: SubprogramSymbol
    args: tuple[Expr, ...]


@record(eq=False)
class ExternCall(Expr):
    """A call of an imported function; arguments and result are scalars."""

    symbol: ExternSymbol
    args: tuple[Expr, ...]


# ---------------------------------------------------------------- statements


@record(eq=False)
class Stmt:
    span: Span = field(repr=False, kw_only=True)


@record(eq=False)
class Block:
    statements: tuple[Stmt, ...]


@record(eq=False)
class Eval(Stmt):
    expr: Expr


@record(eq=False)
class AssignVar(Stmt):
    """`value` has exactly the symbol's type.  `value` None: `let $x` without a value: zero."""

    symbol: VarSymbol
    value: Expr | None


@record(eq=False)
class AssignMap(Stmt):
    """`value` has exactly the map's value type."""

    map: MapSymbol
    key: Expr | None
    value: Expr


@record(eq=False)
class UpdateMap(Stmt):
    """Compound assignment: `value` contains `Current`; one look-up serves read and write."""

    map: MapSymbol
    key: Expr | None
    value: Expr


@record(eq=False)
class UpdateAggregate(Stmt):
    """`@m[key] = count()` and such; `args` as the AggregateDef's type rule left them (integers as 64 bits)."""

    map: MapSymbol
    key: Expr | None
    row: AggregateDef
    args: tuple[Expr, ...]


@record(eq=False)
class If(Stmt):
    cond: Expr
    then: Block
    otherwise: Block | None


@record(eq=False)
class While(Stmt):
    cond: Expr
    body: Block


@record(eq=False)
class Unroll(Stmt):
    count: int
    body: Block


@record(eq=False)
class ForRange(Stmt):
    """`captures`: the outer symbols that the body reads or writes."""

    symbol: VarSymbol
    start: Expr
    end: Expr
    body: Block
    captures: tuple[VarSymbol, ...]


@record(eq=False)
class ForMap(Stmt):
    """`symbol` is a Tuple (key, value); aggregate values arrive combined."""

    symbol: VarSymbol
    map: MapSymbol
    body: Block
    captures: tuple[VarSymbol, ...]


@record(eq=False)
class Break(Stmt):
    pass


@record(eq=False)
class Continue(Stmt):
    pass


@record(eq=False)
class Return(Stmt):
    """Ends the probe, also from inside a `for` body; `value` int64 or None."""

    value: Expr | None


# ---------------------------------------------------------------- the script


@record(eq=False)
class Instance:
    """One BPF program to be: a probe body for the attach points that can share it.

    `args` is the struct behind `args`, None where there is none.  All attach points have one ProbeDef and, if the body
    looks at them, the same args and name.
    """

    attach_points: tuple[AttachPoint, ...]
    args: types.Struct | None
    predicate: Expr | None
    body: Block
    span: Span
    index: int


@record(eq=False)
class TypedScript:
    instances: tuple[Instance, ...]
    maps: tuple[MapSymbol, ...]
    subprograms: tuple[SubprogramSymbol, ...]
    config: dict[str, Any]
    registry: Registry
    objects: tuple[BpfObject, ...] = ()
    """What is imported in compiled form."""
