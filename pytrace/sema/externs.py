"""Functions of imported BPF objects: what there is to call, and the calls (spec 01 §5).

Place in the pipeline: the objects are read behind the imports; calls are typed in inference, behind the language's own
functions, which win.  In: `ObjectImport`s.  Out: `BpfObject`s, `typed.ExternSymbol`s, `typed.ExternCall`s.  What a
newcomer would get wrong: arguments are converted as the language does it (a wider integer with a warning), but pointers
must be to the very type, and strings are never pointers.
"""

from __future__ import annotations

from pytrace.bpfobject import ObjectRefused
from pytrace.record import record
from pytrace.sema import typed
from pytrace.sema.convert import convert
from pytrace.sema.elaborator import UNKNOWN, type_name
from pytrace.types import NONE, Bool, Enum, Int, NoneType, Pointer, Space, Type, VoidType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.bpfobject import BpfObject, ObjectFunction
    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.sema.elaborator import Elaborator
    from pytrace.sema.unit import Options
    from pytrace.target import Target


@record(eq=False)
class ObjectImport:
    """A `.bpf.c` or `.bpf.o` that `node` imports."""

    path: str
    node: ast.Node


class Externs:
    """The imported objects of a script, and their functions by name."""

    def __init__(self) -> None:
        self.objects: list[BpfObject] = []
        self.symbols: dict[str, typed.ExternSymbol] = {}

    def read(
        self, imports: Iterable[ObjectImport], options: Options, target: Target, diagnostics: Diagnostics
    ) -> None:
        """Compile or read each; what cannot be imported is reported at the import."""
        read = []
        for item in imports:
            try:
                found = target.bpf_object(item.path, options.include_dirs)
            except ObjectRefused as problem:
                diagnostics.error(problem.message, item.node.span, hints=problem.hints)
                continue
            read.append((item, found))
            if found.notes:
                diagnostics.warning("found external warnings", item.node.span, hints=(found.notes,))
            if found.programs:
                names = ", ".join(found.programs)
                diagnostics.warning(f"programs of imported objects are not attached: {names}", item.node.span)
            self._enter(found, item.node, diagnostics)
        for item, found in read:
            self._check_calls(item.node, found, diagnostics)

    def _check_calls(self, node: ast.Node, found: BpfObject, diagnostics: Diagnostics) -> None:
        """Report calls of what nobody defines."""
        for function in found.functions.values():
            for call in function.relocations:
                if call.kind == "extern" and call.name not in self.symbols:
                    text = f"Function `{function.name}` of {found.path} calls `{call.name}`, which no import defines"
                    diagnostics.error(text, node.span)

    def _enter(self, found: BpfObject, node: ast.Node, diagnostics: Diagnostics) -> None:
        number = len(self.objects)
        self.objects.append(found)
        for function in found.functions.values():
            if not function.exported:
                continue
            other = self.symbols.get(function.name)
            if other is not None:
                paths = f"{self.objects[other.object].path} and {found.path}"
                diagnostics.error(f"Function `{function.name}` is defined by two imports: {paths}", node.span)
                return
            self.symbols[function.name] = _symbol(function, number)

    def type_named(self, name: str, tag: str) -> Type | None:
        answers = (found.type_named(name, tag) for found in self.objects)
        return next((t for t in answers if t is not None), None)

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        answers = (found.enumerator(name) for found in self.objects)
        return next((t for t in answers if t is not None), None)


def _symbol(function: ObjectFunction, number: int) -> typed.ExternSymbol:
    result = NONE if isinstance(function.result, VoidType) else function.result
    return typed.ExternSymbol(function.name, function.params, result, number)


def extern_call(el: Elaborator, node: ast.Call, symbol: typed.ExternSymbol) -> typed.Expr:
    """A call of an imported function."""
    from pytrace.grammar import ast as tree

    args = [el.value(arg) for arg in node.args if isinstance(arg, tree.Expr)]
    if len(args) != len(symbol.params) or len(args) != len(node.args):
        wanted, given = len(symbol.params), len(node.args)
        el.error(f"Function `{node.name}` requires {wanted} arguments, got only {given}", node.span)
        return _typed(node, symbol, args)
    unusable = [t for t in (*(t for _, t in symbol.params), symbol.result) if not _is_register(t)]
    if unusable:
        el.error(f"Function `{node.name}` takes or returns '{unusable[0]}' by value, which is not supported", node.span)
        return _typed(node, symbol, args)
    out = []
    wrong = False
    for (name, t), given_value in zip(symbol.params, args, strict=True):
        converted = _argument(el, given_value, t)
        if converted is None:
            wrong = True
            named = f" for argument `{name}`" if name else ""
            el.error(f"Expected {type_name(t)}{named} got {type_name(given_value.type)}", given_value.span)
        out.append(converted or given_value)
    if wrong:
        types = ", ".join(type_name(t) for _, t in symbol.params)
        el.error(f"Function `{node.name}` requires arguments ({types})", node.span)
    return _typed(node, symbol, out)


def _typed(node: ast.Call, symbol: typed.ExternSymbol, args: list[typed.Expr]) -> typed.Expr:
    space = Space.KERNEL if isinstance(symbol.result, Pointer) else Space.NONE
    return typed.ExternCall(type=symbol.result, span=node.span, space=space, symbol=symbol, args=tuple(args))


def _argument(el: Elaborator, given: typed.Expr, t: Type) -> typed.Expr | None:
    if given.type is UNKNOWN:
        return given
    if isinstance(t, Pointer):
        fits = isinstance(given.type, Pointer) and (
            given.type == t or isinstance(t.pointee, VoidType) or isinstance(given.type.pointee, VoidType)
        )
        return given if fits else None
    if isinstance(t, Enum) and isinstance(given.type, (Enum, Int)):
        return given
    return convert(el, given, t)


def _is_register(t: Type) -> bool:
    """Whether C passes a value of that type in one register."""
    return isinstance(t, (Int, Bool, Enum, Pointer, NoneType)) and t.size <= 8
