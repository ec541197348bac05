"""Macro expansion (spec 01 §6).

Place in the pipeline: after `flow`, before attach points are expanded.  In: a script with macros.  Out: one without.
What a newcomer would get wrong: an expression argument is put in *unevaluated* at each use, and keeps its place in
the caller: names in it are the caller's, so it is copied but never renamed.
"""

from __future__ import annotations

from pytrace.diagnostics import Context, ScriptError
from pytrace.grammar import ast
from pytrace.record import field, record, replace
from pytrace.registry import FunctionDef, Kind
from pytrace.sema.calls import parameters
from pytrace.sema.walk import children, copy, descendants, map_children
from pytrace.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry

Argument = ast.Expr | ast.TypeOf

_TYPE_ARGUMENT = (
    "When used as a call argument, `typeof` builtin only valid for macro calls that are expecting a type parameter"
)

_MOST_PLACES = 200_000
"""Spans that expansion may make in all: macros that use each other twice grow without bound."""

_TYPES_IN = (ast.Cast, ast.Let, ast.SizeOf, ast.OffsetOf, ast.TypeInfo)
"""Expressions and statements in which a type may stand."""


def expand(script: ast.Script, registry: Registry, diagnostics: Diagnostics) -> ast.Script:
    """The script with every macro call replaced by the macro's body."""
    macros = MacroTable(registry, diagnostics)
    for item in script.items:
        if isinstance(item, ast.Macro):
            macros.add(item)
    expander = Expander(macros)
    items = []
    for item in script.items:
        if isinstance(item, ast.Macro):
            continue
        expanded = item if isinstance(item, ast.MapDeclaration) else map_children(item, expander.visit)
        _check_type_arguments(expanded, registry, diagnostics)
        items.append(expanded)
    return replace(script, items=tuple(items))


def _check_type_arguments(item: ast.Node, registry: Registry, diagnostics: Diagnostics) -> None:
    for node in descendants(item):
        row = registry.function(node.name) if isinstance(node, ast.Call) else None
        if isinstance(node, _TYPES_IN) or not isinstance(node, (ast.Expr, ast.Stmt)):
            continue
        inner = node.args if isinstance(node, ast.Call) else tuple(children(node))
        given = parameters(row, len(inner)) if row else []
        for n, arg in enumerate(inner):
            if isinstance(arg, ast.TypeOf) and not (n < len(given) and given[n].kind == Kind.TYPE):
                diagnostics.error(_TYPE_ARGUMENT, arg.span)


# ---------------------------------------------------------------- the macros


def _accepts(kind: str, arg: object) -> bool:
    """Whether a parameter of this kind takes the argument (or, for redefinitions, the other macro's parameter)."""
    given = arg.kind if isinstance(arg, ast.MacroParam) else _kind_of(arg)
    return kind == "expr" or kind == given


def _kind_of(arg: object) -> str:
    return "variable" if isinstance(arg, ast.Variable) else "map" if isinstance(arg, ast.Map) else "expr"


_SIGILS = {"variable": "$", "map": "@", "expr": ""}


class MacroTable:
    """The script's macros by name, in order of definition: the first that fits is taken."""

    def __init__(self, registry: Registry, diagnostics: Diagnostics) -> None:
        self.registry = registry
        self.diagnostics = diagnostics
        self.by_name: dict[str, list[ast.Macro]] = {}
        self._made = 0

    def place(self, own: Span, use: Span) -> Span:
        """The span of one more expanded node.  Raises ScriptError when there are too many."""
        link: Span | None = own
        while link is not None:
            self._made += 1
            link = link.expanded_from
        if self._made > _MOST_PLACES:
            self.diagnostics.error("Macros expand to too much code", use)
            raise ScriptError(self.diagnostics)
        return _chained(own, use)

    def add(self, macro: ast.Macro) -> None:
        earlier = self.exact(macro.name, macro.params)
        if earlier is not None:
            context = Context("This is the original definition.", earlier.span)
            self.diagnostics.error(f"Redefinition of macro: {macro.name}", macro.span, contexts=(context,))
        elif not self._repeats(macro):
            self.by_name.setdefault(macro.name, []).append(macro)

    def _repeats(self, macro: ast.Macro) -> bool:
        seen: set[tuple[str, str]] = set()
        for param in macro.params:
            key = (param.kind, param.name)
            if key in seen:
                what = {"variable": "Variable", "map": "Map"}.get(param.kind, "Ident")
                shown = _SIGILS[param.kind] + param.name
                self.diagnostics.error(f"{what} for macro argument has already been used: {shown}", param.span)
                return True
            seen.add(key)
        return False

    def exact(self, name: str, args: tuple[Any, ...]) -> ast.Macro | None:
        for macro in self.by_name.get(name, ()):
            fits = [_accepts(p.kind, a) for p, a in zip(macro.params, args, strict=False)]
            if len(macro.params) == len(args) and all(fits):
                return macro
        return None

    def closest(self, name: str, args: tuple[Argument, ...]) -> ast.Macro:
        """Among macros of that name, the one whose number of parameters, then whose kinds, differ least."""

        def distance(macro: ast.Macro) -> int:
            wrong = sum(not _accepts(p.kind, a) for p, a in zip(macro.params, args, strict=False))
            return 1024 * abs(len(macro.params) - len(args)) + wrong

        return min(self.by_name[name], key=distance)

    def native(self, name: str, count: int) -> bool:
        """Whether a row of the tables takes that many arguments: then the call is not a failed macro call."""
        registry = self.registry
        row = registry.function(name) or registry.variable(name) or registry.aggregates.get(name)
        if row is None:
            return False
        least = sum(not (p.optional or p.variadic) for p in row.params)
        variadic = bool(row.params) and isinstance(row, FunctionDef) and row.params[-1].variadic
        return least <= count and (variadic or count <= len(row.params))


# ---------------------------------------------------------------- expansion


@record(frozen=False)
class Bindings:
    """What the names of one expansion's body stand for."""

    macro: ast.Macro | None = None
    variables: dict[str, str] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)
    expressions: dict[str, Argument] = field(default_factory=dict)


class Expander:
    """Walks a tree; `stack` holds the macros that are being expanded."""

    def __init__(self, macros: MacroTable, stack: tuple[ast.Macro, ...] = (), names: Bindings | None = None) -> None:
        self.macros = macros
        self.stack = stack
        self.names = names or Bindings()

    @property
    def renames(self) -> bool:
        return self.names.macro is not None

    def visit(self, node: Any) -> Any:
        match node:
            case ast.Call():
                return self._call(map_children(node, self.visit))
            case ast.Identifier():
                return self._identifier(node)
            case ast.Variable() if self.renames:
                return self._variable(node)
            case ast.Map() if self.renames:
                return self._map(node)
            case ast.Let() if self.renames and node.variable.name in self._passed:
                self._error(f"Variable declaration shadows macro arg ${node.variable.name}", node.declaration)
                return node
            case ast.SizeOf() | ast.TypeInfo() | ast.TypeOf():
                return self._typed(node, replace(node, of=self._type_or_expr(node.of)))
            case ast.OffsetOf():
                return self._offset_of(node)
            case ast.Cast():
                written = self._type(node.type)
                inner = self.visit(node.expr)
                return replace(node, type=written, expr=inner)
            case ast.TypeExpr():
                return self._type(node)
        return map_children(node, self.visit)

    @property
    def _passed(self) -> set[str]:
        macro = self.names.macro
        return {p.name for p in macro.params if p.kind == "variable"} if macro else set()

    def _error(self, message: str, span: Span, *contexts: Context) -> None:
        self.macros.diagnostics.error(message, span, contexts=contexts)

    # names ----------------------------------------------------------------
    def _variable(self, node: ast.Variable) -> ast.Variable:
        name = self.names.variables.get(node.name)
        return node if name is None else replace(node, name=name)

    def _map(self, node: ast.Map) -> ast.Map:
        name = self.names.maps.get(node.name)
        if name is None:
            self._error(
                f"Unhygienic access to map: @{node.name}. Maps must be passed into the macro as arguments.", node.span
            )
            return node
        return replace(node, name=name)

    def _identifier(self, node: ast.Identifier) -> Any:
        passed = self.names.expressions.get(node.name)
        if passed is not None:
            return self._placed(passed, node.span)
        if node.name not in self.macros.by_name:
            return node
        return self._expand(node, node.name, ())

    def _placed(self, passed: Argument, span: Span) -> Any:
        """A copy of an argument for one use: its own place, expanded from the use."""
        placed = copy(passed, lambda own: self.macros.place(own, span))
        return Expander(self.macros, self.stack).visit(placed)

    def _call(self, node: ast.Call) -> Any:
        return self._expand(node, node.name, node.args) if node.name in self.macros.by_name else node

    def _expand(self, node: ast.Expr, name: str, args: tuple[Argument, ...]) -> Any:
        macro = self.macros.exact(name, args)
        if macro is None:
            if not self.macros.native(name, len(args)):
                self._no_match(node, name, args)
            return node
        if macro in self.stack:
            chain = [m.name for m in self.stack[self.stack.index(macro) :]] + [macro.name]
            self._error(f"Recursive macro call detected. Call chain: {' > '.join(chain)}", node.span)
            return node
        stack = (*self.stack, macro)
        body = copy(macro.body, lambda own: self.macros.place(own, node.span))
        return Expander(self.macros, stack, _bind(macro, args, node.span, len(stack))).visit(body)

    def _no_match(self, node: ast.Expr, name: str, args: tuple[Argument, ...]) -> None:
        macro = self.macros.closest(name, args)
        message = f"Call to {name}() has arguments that do not match any definition."
        if len(macro.params) != len(args):
            text = (
                f"The closest definition of {name}() has a different number of arguments. Expected: "
                f"{len(macro.params)} but got {len(args)}"
            )
            self._error(message, node.span, Context(text, macro.span))
            return
        self._error(message, node.span)
        for param, arg in zip(macro.params, args, strict=True):
            if _accepts(param.kind, arg):
                continue
            got = {"variable": "a variable", "map": "a map"}.get(_kind_of(arg), "an expression")
            text = (
                f"Mismatched arg. {name}() expects a {param.kind} for arg {_SIGILS[param.kind]}{param.name} but got "
                f"{got}."
            )
            context = Context("This is the argument in the closest definition.", param.span)
            self._error(text, arg.span, context)

    # types ----------------------------------------------------------------
    def _typed(self, node: Any, new: Any) -> Any:
        return node if new.of is node.of else new

    def _type_or_expr(self, of: ast.TypeExpr | ast.Expr) -> Any:
        if isinstance(of, ast.TypeName) and not of.tag:
            passed = self.names.expressions.get(of.name)
            if isinstance(passed, ast.TypeOf):
                return copy(passed.of, lambda own: _chained(own, of.span))
            if isinstance(passed, ast.Identifier):
                return replace(of, name=passed.name)
            if passed is not None:
                return self._placed(passed, of.span)
        return self._type(of) if isinstance(of, ast.TypeExpr) else self.visit(of)

    def _type(self, node: ast.TypeExpr) -> Any:
        """A written type, a type parameter at its bottom replaced."""
        match node:
            case ast.PointerTo() | ast.ArrayOf():
                base = self._type(node.base)
                return node if base is node.base else replace(node, base=base)
            case ast.TypeOf():
                return self._typed(node, replace(node, of=self._type_or_expr(node.of)))
            case ast.TypeName():
                passed = self.names.expressions.get(node.name)
                return node if passed is None else self._type_argument(node, passed)
        return node

    def _type_argument(self, node: ast.TypeName, passed: Argument) -> ast.TypeExpr:
        if isinstance(passed, ast.Identifier):
            return replace(node, name=passed.name)
        if isinstance(passed, ast.TypeOf):
            of = passed.of
            if isinstance(of, ast.TypeName) and not (node.tag and of.tag):
                return replace(node, name=of.name, tag=node.tag or of.tag)
            if not node.tag:
                return of if isinstance(of, ast.TypeExpr) else ast.TypeOf(of, span=node.span)
        name = self.names.macro.name if self.names.macro else ""
        self._error(
            f"Invalid replacement for macro '{name}' type parameter '{node.name}' which makes up the type "
            f"'{f'{node.tag} {node.name}'.strip()}'",
            passed.span,
        )
        return node

    def _offset_of(self, node: ast.OffsetOf) -> ast.Expr:
        node = replace(node, of=self._type_or_expr(node.of))
        passed = self.names.expressions.get(node.path[-1]) if len(node.path) == 1 else None
        names: list[str] = []
        while isinstance(passed, ast.FieldAccess):
            names.append(passed.name)
            passed = passed.base
        if isinstance(passed, ast.Identifier):
            return replace(node, path=tuple(reversed([*names, passed.name])))
        if names and passed is not None:
            self._error(
                "FieldAccess expressions must be made up entirely of idents (e.g. a.b.c) to replace the second "
                "argument in `offsetof`",
                passed.span,
            )
        return node


def _chained(own: Span, use: Span) -> Span:
    """`own`, expanded from `use` (behind whatever it was expanded from before)."""
    if own.expanded_from is not None:
        use = _chained(own.expanded_from, use)
    return Span(own.source, own.start, own.end, use)


def _bind(macro: ast.Macro, args: tuple[Argument, ...], call: Span, depth: int) -> Bindings:
    """Parameters to arguments; the macro's own variables get names that no script can write."""
    names = Bindings(macro)
    for param, arg in zip(macro.params, args, strict=True):
        if param.kind == "variable" and isinstance(arg, ast.Variable):
            names.variables[param.name] = arg.name
        elif param.kind == "map" and isinstance(arg, ast.Map):
            names.maps[param.name] = arg.name
        elif isinstance(arg, (ast.Variable, ast.Map)):
            names.expressions[param.name] = ast.Block((), arg, span=call)  # as a value: it cannot be assigned to
        else:
            names.expressions[param.name] = arg
    prefix = f"${macro.name}_" if depth == 1 else f"${macro.name}_{depth}_"
    for name in _own_variables(macro.body):
        names.variables.setdefault(name, f"{prefix}${name}")
    return names


def _own_variables(body: ast.Block) -> list[str]:
    """What the body declares: by `let`, by assignment, as a loop's variable."""
    found = []
    for node in descendants(body):
        match node:
            case ast.Let() | ast.For():
                found.append(node.variable.name)
            case ast.Assign() if isinstance(node.target, ast.Variable):
                found.append(node.target.name)
    return found
