"""Types as written → types (spec 02 §1), through the script's own definitions first and BTF behind them.

Place in the pipeline: under inference.  In: `ast.TypeExpr`.  Out: `Type`, or None after an error.  What a newcomer
would get wrong: `string` without a size is String(0), which a declaration lets grow; a bare word may also be a typedef.
"""

from __future__ import annotations

from pytrace import types
from pytrace.grammar import ast
from pytrace.types import TIMESTAMP, Aggregate, Array, Buffer, Enum, Int, Opaque, Pointer, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.sema.cdefs import CDefinitions
    from pytrace.sema.externs import Externs
    from pytrace.target import Target
    from pytrace.types import Type


KEYWORDS: dict[str, Type] = {
    "bool": types.BOOL,
    "void": types.VOID,
    **{f"int{bits}": Int(bits, True) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": Int(bits, False) for bits in (8, 16, 32, 64)},
    "string": String(0),
    "buffer": Buffer(0),
    "inet": Opaque("inet", 0, 8),
    "username_t": types.USERNAME,
    "timestamp": TIMESTAMP,
    "macaddr_t": types.MAC_ADDRESS,
    "cgroup_path_t": types.CGROUP_PATH,
    "count_t": Aggregate("count_t", "count", False),
    **{
        f"{sign}{name}_t": Aggregate(f"{sign}{name}_t", name, not sign)
        for name in ("min", "max", "sum", "avg", "stats")
        for sign in ("", "u")
    },
}
"""The type names of the language itself."""


class TypeScope:
    """Looks a name up in the script's C definitions, then in BTF, then in imported objects."""

    def __init__(
        self, target: Target, definitions: CDefinitions | None = None, externs: Externs | None = None
    ) -> None:
        self.target = target
        self.definitions = definitions
        self.externs = externs

    def named(self, name: str, tag: str = "") -> Type | None:
        if self.definitions is not None:
            found = self.definitions.type_named(name, tag)
            if found is not None:
                return found
        found = self.target.type_named(name, tag)
        return self.externs.type_named(name, tag) if found is None and self.externs else found

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        if self.definitions is not None:
            found = self.definitions.enumerator(name)
            if found is not None:
                return found
        known = self.target.enumerator(name)
        return self.externs.enumerator(name) if known is None and self.externs else known

    def resolve(self, node: ast.TypeExpr) -> Type | str:
        """The type, or the name in it that is unknown.  `typeof` is the caller's."""
        match node:
            case ast.TypeName():
                return self._name(node)
            case ast.PointerTo():
                inner = self.resolve(node.base)
                return inner if isinstance(inner, str) else Pointer(inner)
            case ast.ArrayOf():
                inner = self.resolve(node.base)
                return inner if isinstance(inner, str) else sized(inner, node.length or 0)
        return type(node).__name__

    def _name(self, node: ast.TypeName) -> Type | str:
        if not node.tag and node.name in KEYWORDS:
            return KEYWORDS[node.name]
        found = self.named(node.name, node.tag)
        if found is None and not node.tag and (constant := self.enumerator(node.name)) is not None:
            return Enum(constant[0].name, 64, constant[0].signed, constant[0].variants)
        if found is None or (isinstance(found, Struct) and not found.complete and not found.tag):
            return f"{node.tag} {node.name}".strip()
        if isinstance(found, Enum) and node.tag == "enum":
            return Enum(found.name, 64, found.signed, found.variants)
        return found


def sized(element: Type, length: int) -> Type:
    """`T[n]`: an array, or the capacity of a string, buffer or address."""
    match element:
        case String(capacity=0):
            return String(length)
        case Buffer(capacity=0):
            return Buffer(length)
        case Opaque(name="inet", bytes=0):
            return Opaque("inet", length, 8)
    return Array(element, length)
