"""AST to text: `dump` gives source that parses to an equal tree, `tree` an indented picture of the nodes.

Place in the pipeline: beside it, for `-d parse`, `-d ast`, bug reports and tests.  In: any node.  Out: text with a
newline after each line.  What a newcomer would get wrong: parentheses are not kept in the tree, so every place that
needs them is known here (`_LEVEL` and the few special cases beside their reason).
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.grammar.lexer import WORD, is_reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BINARY_LEVEL = {
    "||": 2, "&&": 3, "|": 4, "^": 5, "&": 6, "==": 7, "!=": 7, "<": 8, "<=": 8, ">": 8, ">=": 8,
    "<<": 9, ">>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11,
}  # fmt: skip
_ANY, _TERNARY, _UNARY, _POSTFIX, _PRIMARY = 0, 1, 12, 13, 14

_LEVEL: dict[type, int] = {
    ast.If: _ANY, ast.Block: _ANY, ast.Ternary: _TERNARY, ast.Unary: _UNARY, ast.AddressOf: _UNARY, ast.Cast: _UNARY,
    ast.Comptime: _UNARY, ast.FieldAccess: _POSTFIX, ast.TupleAccess: _POSTFIX, ast.Index: _POSTFIX,
}  # fmt: skip
"""How tightly an expression holds together; 14 for what needs no parentheses anywhere.

`if` and blocks are primary expressions to the grammar, but as an operand they are easily misread, also by the
parser when they begin a statement.
"""

_CONTINUES = tuple("*-&[.+?/|^=<>%")
"""What, after the `}` of an `if` or block, would be read as an operator."""

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def dump(node: ast.Node) -> str:
    """Source text of a script, item, statement, type or expression, in canonical form."""
    if isinstance(node, ast.Script):
        return _script(node)
    if isinstance(node, ast.Stmt):
        return _statement_text(node) + "\n"
    if isinstance(node, ast.Expr):
        return _expr(node) + "\n"
    if isinstance(node, ast.TypeExpr):
        return _type(node) + "\n"
    return "\n".join(_item(node)) + "\n"


# ---------------------------------------------------------------- the script


def _script(node: ast.Script) -> str:
    lines = [definition.text for definition in node.c_definitions]
    if node.config:
        lines += _item(node.config)
    for item in (*node.imports, *node.items):
        lines += _item(item)
    return "".join(line + "\n" for line in lines)


def _item(node: ast.Node) -> list[str]:
    match node:
        case ast.Probe():
            points = ",\n".join(point.text for point in node.attach_points).split("\n")
            predicate = []
            if node.predicate:
                text = _expr(node.predicate)
                predicate = [f"/{' ' if text[0] in '*/' else ''}{text}/"]
            return [*points, *predicate, *_body(node.body, value=False)]
        case ast.Macro():
            params = ", ".join(_macro_param(param) for param in node.params)
            return [f"macro {node.name}({params})", *_body(node.body, value=True)]
        case ast.Subprogram():
            params = ", ".join(_item(param)[0] for param in node.params)
            return [f"fn {node.name}({params}) : {_type(node.return_type)}", *_body(node.body, value=False)]
        case ast.Param():
            return [f"${node.variable.name} : {_type(node.type)}"]
        case ast.MacroParam():
            return [_macro_param(node)]
        case ast.MapDeclaration():
            return [f"let @{node.map.name} = {node.kind}({node.max_entries});"]
        case ast.RootImport():
            return [f"import {quote(node.path)};"]
        case ast.Config():
            return ["config = {", *("  " + _item(entry)[0] + ";" for entry in node.assignments), "}"]
        case ast.ConfigAssignment():
            return [f"{node.key} = {config_value(node.value)}"]
        case ast.CDefinition() | ast.AttachPoint():
            return [node.text]
        case ast.Range():
            return [_range(node)]
        case ast.RecordField():
            return [f"{node.name}={_expr(node.value)}"]
    raise TypeError(f"no text for {type(node).__name__}")


def _macro_param(node: ast.MacroParam) -> str:
    return {"variable": "$", "map": "@"}.get(node.kind, "") + node.name


def config_value(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    bare = value != "" and not value[0].isdecimal() and all(c in WORD for c in value) and value not in ("true", "false")
    return value if bare else quote(value)


def quote(value: str) -> str:
    """A string literal; everything but printable ASCII as an escape."""
    return '"' + "".join(_ESCAPES.get(c) or (c if " " <= c <= "~" else f"\\x{ord(c):02x}") for c in value) + '"'


# ---------------------------------------------------------------- statements


def _body(block: ast.Block, *, value: bool) -> list[str]:
    """The lines of a block.  `value`: a last expression without `;` would be its value when parsed again."""
    lines: list[str] = []
    closed = semicolons(block, value=value)
    for n, statement in enumerate(block.statements):
        inner = value or n in closed or n + 1 < len(block.statements) or block.value is not None
        text = _statement_text(statement, value=inner) + (";" if n in closed else "")
        lines += ["  " + line for line in text.split("\n")]
    if block.value is not None:
        lines += ["  " + line for line in _standing_first(block.value).split("\n")]
    return ["{", *lines, "}"] if lines else ["{ }"]


def semicolons(block: ast.Block, *, value: bool) -> set[int]:
    """Which of the statements of a block, being an `if` or a block, need a `;` all the same.

    Because what follows would go on with the expression, or because the last one would become the block's value.
    """
    from pytrace.grammar.tree import without_value

    needed: set[int] = set()
    for n, statement in enumerate(block.statements):
        if not (isinstance(statement, ast.ExprStmt) and isinstance(statement.expr, ast.If | ast.Block)):
            continue
        if n + 1 < len(block.statements):
            change = _statement_text(block.statements[n + 1]).startswith(_CONTINUES)
        elif block.value is not None:
            change = _standing_first(block.value).startswith(_CONTINUES)
        else:
            change = value or without_value(statement.expr) != statement.expr
        if change:
            needed.add(n)
    return needed


def _braced(head: str, block: ast.Block, *, value: bool) -> str:
    lines = _body(block, value=value)
    return "\n".join([head + lines[0], *lines[1:]])


def _statement_text(node: ast.Stmt, *, value: bool = True) -> str:
    match node:
        case ast.ExprStmt(ast.If() as inner):
            return _if(inner, value=value)
        case ast.ExprStmt(ast.Block() as inner):
            return _braced("", inner, value=value)
        case ast.ExprStmt():
            return _standing_first(node.expr) + ";"
        case ast.Let():
            type_ = f" : {_type(node.type)}" if node.type else ""
            assigned = f" = {_expr(node.value)}" if node.value else ""
            return f"let ${node.variable.name}{type_}{assigned};"
        case ast.Assign():
            return f"{_expr(node.target)} {node.op} {_expr(node.value)};"
        case ast.Discard():
            return f"_ = {_expr(node.value)};"
        case ast.Break():
            return "break;"
        case ast.Continue():
            return "continue;"
        case ast.Return():
            return f"return {_expr(node.value)};" if node.value else "return;"
        case ast.For():
            over = _range(node.iterable) if isinstance(node.iterable, ast.Range) else _expr(node.iterable)
            return _braced(f"for (${node.variable.name} : {over}) ", node.body, value=False)
        case ast.While():
            return _braced(f"while ({_expr(node.cond)}) ", node.body, value=False)
        case ast.Unroll():
            return _braced(f"unroll ({_expr(node.count)}) ", node.body, value=False)
        case ast.ImportStmt():
            return f"import {quote(node.path)};"
    raise TypeError(f"no text for {type(node).__name__}")


def _range(node: ast.Range) -> str:
    return f"{_bound(node.start)}..{_bound(node.end)}"


def _bound(node: ast.Expr) -> str:
    return _expr(node) if isinstance(node, ast.Cast | ast.Comptime) else _expr(node, _PRIMARY)


def _standing_first(node: ast.Expr) -> str:
    text = _expr(node)
    return f"({text})" if misread_first(node, text) else text


def misread_first(node: ast.Expr, text: str) -> bool:
    """Whether an expression needs parentheses at the start of a statement.

    Some words are keywords there, and `$a++` is a statement.
    """
    if isinstance(node, ast.If | ast.Block):
        return False
    word = text[: next((n for n, c in enumerate(text) if c not in WORD), len(text))]
    keyword = word in ("let", "for", "while", "unroll", "return", "break", "continue", "import")
    stepped = text[0] in "$@" and not isinstance(node, ast.IncDec) and _begins_with_step(node)
    return keyword or stepped


def _begins_with_step(node: ast.Expr) -> bool:
    while True:
        match node:
            case ast.Binary():
                node = node.left
            case ast.Ternary():
                node = node.cond
            case ast.FieldAccess() | ast.TupleAccess() | ast.Index():
                node = node.base
            case _:
                return isinstance(node, ast.IncDec) and not node.prefix


# ---------------------------------------------------------------- expressions


def level(node: ast.Expr) -> int:
    """How tightly it holds together, 0 to 14."""
    if isinstance(node, ast.Binary):
        return _BINARY_LEVEL[node.op]
    if isinstance(node, ast.IncDec):
        return _UNARY if node.prefix else _POSTFIX
    if isinstance(node, ast.Integer) and node.value < 0:
        return _UNARY
    return _LEVEL.get(type(node), _PRIMARY)


def _expr(node: ast.Expr, least: int = _ANY) -> str:
    """The text of an expression where a level of at least `least` is needed."""
    text = _plain(node)
    return f"({text})" if level(node) < least else text


def _plain(node: ast.Expr) -> str:
    match node:
        case ast.Integer():
            return str(node.value)
        case ast.String():
            return quote(node.value)
        case ast.Boolean():
            return "true" if node.value else "false"
        case ast.Variable():
            return "$" + node.name
        case ast.Map():
            return "@" + node.name
        case ast.PosParam():
            return f"${node.number}"
        case ast.ParamCount():
            return "$#"
        case ast.Identifier():
            return node.name
        case ast.MapAccess():
            several = isinstance(node.key, ast.Tuple) and len(node.key.elements) > 1
            return f"@{node.map.name}[{_list(node.key.elements) if several else _expr(node.key)}]"  # type: ignore[attr-defined]
        case ast.Call():
            return f"{node.name}({_list(node.args)})"
        case ast.Tuple():
            return f"({_list(node.elements)},)" if len(node.elements) == 1 else f"({_list(node.elements)})"
        case ast.Record():
            return "(" + ", ".join(_item(field)[0] for field in node.fields) + ")"
        case ast.If():
            return _if(node)
        case ast.Block():
            return _braced("", node, value=True)
    return _operation(node)


def _list(nodes: tuple[Any, ...]) -> str:
    return ", ".join(_type(node) if isinstance(node, ast.TypeExpr) else _expr(node) for node in nodes)


def _operation(node: ast.Expr) -> str:
    match node:
        case ast.Binary():
            own = _BINARY_LEVEL[node.op]
            return f"{_expr(node.left, own)} {node.op} {_expr(node.right, own + 1)}"
        case ast.Ternary():
            cond, otherwise = _expr(node.cond, _TERNARY + 1), _expr(node.otherwise, _TERNARY)
            return f"{cond} ?: {otherwise}" if node.then is None else f"{cond} ? {_expr(node.then)} : {otherwise}"
        case ast.Unary():
            operand = _expr(node.expr, _UNARY)
            return f"{node.op}({operand})" if node.op == operand[0] == "-" else node.op + operand
        case ast.IncDec():
            return node.op + _expr(node.target) if node.prefix else _expr(node.target) + node.op
        case ast.AddressOf():
            return "&" + _expr(node.target)
        case ast.Cast():
            operand = _expr(node.expr, _UNARY)  # a `+` does not say that what stands before it is a cast
            return f"({_type(node.type)})" + (f"({operand})" if operand[0] == "+" else operand)
        case ast.Comptime():
            return "comptime " + _expr(node.expr, _UNARY)
        case ast.FieldAccess():
            return f"{_expr(node.base, _POSTFIX)}.{node.name}"
        case ast.TupleAccess():
            return f"{_expr(node.base, _POSTFIX)}.{node.index}"
        case ast.Index():
            base = f"({_expr(node.base)})" if isinstance(node.base, ast.Map) else _expr(node.base, _POSTFIX)
            return f"{base}[{_expr(node.index)}]"
        case ast.SizeOf():
            return f"sizeof({_type_or_expr(node.of)})"
        case ast.TypeInfo():
            return f"typeinfo({_type_or_expr(node.of)})"
        case ast.OffsetOf():
            return f"offsetof({_type_or_expr(node.of)}, {'.'.join(node.path)})"
    raise TypeError(f"no text for {type(node).__name__}")


def _if(node: ast.If, *, value: bool = True) -> str:
    text = _braced(f"if ({_expr(node.cond)}) ", node.then, value=value)
    if node.otherwise is None:
        return text
    if isinstance(node.otherwise, ast.If):
        return f"{text} else {_if(node.otherwise, value=value)}"
    return _braced(f"{text} else ", node.otherwise, value=value)


# ---------------------------------------------------------------- types


def _type_or_expr(node: ast.TypeExpr | ast.Expr) -> str:
    """The argument of sizeof and the like, where `x` and `x[3]` are types and `(x)` and `(x[3])` expressions."""
    if isinstance(node, ast.TypeExpr):
        return _type(node)
    return f"({_expr(node)})" if reads_as_type(node) else _expr(node)


def reads_as_type(node: ast.Expr) -> bool:
    """Whether an expression would be taken for a type in `sizeof(…)` unless it has parentheses."""
    while isinstance(node, ast.Index):
        node = node.base
    return isinstance(node, ast.Identifier) and not is_reserved(node.name)


def _type(node: ast.TypeExpr) -> str:
    match node:
        case ast.TypeName():
            return f"{node.tag} {node.name}" if node.tag else node.name
        case ast.PointerTo():
            return _type(node.base) + "*"
        case ast.ArrayOf():
            return f"{_type(node.base)}[{'' if node.length is None else node.length}]"
        case ast.TypeOf():
            return f"typeof({_type_or_expr(node.of)})"
    raise TypeError(f"no text for {type(node).__name__}")


# ---------------------------------------------------------------- the picture


def tree(node: ast.Node) -> str:
    """One line a node: its kind, its plain values and its place; what it consists of is indented under it."""
    lines: list[str] = []
    _draw(node, "", 0, lines)
    return "".join(line + "\n" for line in lines)


def _draw(node: ast.Node, label: str, depth: int, lines: list[str]) -> None:
    plain: list[str] = []
    below: list[tuple[str, ast.Node]] = []
    names: tuple[str, ...] = node.__match_args__
    for name in names:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            below.append((name, value))
        elif isinstance(value, tuple) and all(isinstance(item, ast.Node) for item in value):
            below += [(name, item) for item in value]
        elif value is not None and value != "":
            plain.append(f"{name}={value!r}")
    line, column = node.span.source.line_col(node.span.start)
    prefix = f"{label}: " if label else ""
    lines.append("  " * depth + " ".join([prefix + type(node).__name__, *plain, f"[{line}:{column}]"]))
    for name, child in below:
        _draw(child, name, depth + 1, lines)
