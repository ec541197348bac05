"""`--fmt`: a script in canonical form, comments and blank lines kept (spec 06 §1).

Place in the pipeline: beside it.  In: a source.  Out: text; ScriptError if the source does not parse.  What a newcomer
would get wrong: this is not `dump`: it puts parentheses where people want to see them (`1 + (2 * 3)`), keeps
literals as they were written, and breaks long lines at `WIDTH`.  Comments inside a statement go before it.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.grammar import ast
from pytrace.grammar.depth import room
from pytrace.grammar.dump import config_value, level, misread_first, quote, reads_as_type, semicolons
from pytrace.grammar.dump import dump as plain_dump
from pytrace.grammar.layout import Text, Trivia
from pytrace.grammar.parser import parse_with_gaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pytrace.grammar.layout import Remark
    from pytrace.source import Source

WIDTH = 90

_PRIMITIVE = (
    ast.Integer, ast.String, ast.Boolean, ast.PosParam, ast.ParamCount, ast.Identifier, ast.SizeOf, ast.OffsetOf,
    ast.TypeInfo, ast.Variable, ast.Index, ast.TupleAccess, ast.MapAccess, ast.Call, ast.Map, ast.FieldAccess,
)  # fmt: skip
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


def format_source(source: Source) -> str:
    """The canonical text of a script."""
    diagnostics = Diagnostics()
    script, gaps = parse_with_gaps(source, diagnostics)
    if script is None:
        raise ScriptError(diagnostics)
    with room():
        return Formatter(source, Trivia(source.text, gaps)).script(script).render()


def is_primitive(node: Any) -> bool:
    """Whether an operand of that kind goes without parentheses."""
    return is_primitive(node.expr) if isinstance(node, ast.Comptime) else isinstance(node, _PRIMITIVE)


class Formatter:
    """Formats one script.  `width` in each method is what is left of the line."""

    def __init__(self, source: Source, trivia: Trivia) -> None:
        self.source = source
        self.trivia = trivia
        self.stray: list[Remark] = []  # comments inside the statement at hand

    # ------------------------------------------------------------ the script

    def script(self, node: ast.Script) -> Text:
        out = Text()
        begin = self.source.text.find("#!")
        if begin >= 0 and not self.source.text[:begin].strip():
            out.add(self.source.text[begin:].split("\n", 1)[0]).break_line()
        items: list[ast.Node] = [
            *node.c_definitions,
            *node.imports,
            *node.items,
            *([node.config] if node.config else []),
        ]
        for item in sorted(items, key=lambda item: item.span.start):
            before = self.trivia.claim(item.span.start)
            text = self.item(item)
            out.remark(before).remark(self.take_stray()).append(text).break_line()
        return out.remark(self.trivia.claim(len(self.source.text)))

    def item(self, node: ast.Node) -> Text:
        match node:
            case ast.Probe():
                return self.probe(node)
            case ast.Macro():
                params = self.spread([Text(plain_dump(param).strip()) for param in node.params], ", ", WIDTH - 10)
                head = Text(f"macro {node.name}(").append(params).add(")")
                return self.headed(head, node.body, value=True)
            case ast.Subprogram():
                shown = [Text(f"${p.variable.name} : ").append(self.type(p.type)) for p in node.params]
                params = self.spread(shown, ", ", WIDTH - len(node.name) - 5)
                head = Text(f"fn {node.name}(").append(params).add(") : ").append(self.type(node.return_type))
                return self.headed(head, node.body)
            case ast.Config():
                entries = [f"{a.key} = {config_value(a.value)};" for a in node.assignments]
                body = Text("\n".join(entries))
                body.lines = [[(entry, False)] for entry in entries] or [[]]
                return Text("config = {").indent(body).add("}")
            case ast.CDefinition():
                definition = Text()
                definition.lines = [[(line, False)] for line in node.text.split("\n")]
                return definition
        return Text(plain_dump(node).strip())

    def headed(self, head: Text, body: ast.Block, *, value: bool = False) -> Text:
        self.set_aside(body.span.start)
        return head.break_line().add("{").indent(self.block(body, WIDTH - 2, value=value)).add("}")

    def probe(self, node: ast.Probe) -> Text:
        out = Text()
        for n, point in enumerate(node.attach_points):
            self.set_aside(point.span.start)
            out.add(point.text + ("," if n < len(node.attach_points) - 1 else "")).break_line()
        if node.predicate:
            self.comment_lines(out, node.predicate.span.start)
            text = self.expr(node.predicate, WIDTH, bare=True)
            star = " " if text.lines[0] and text.lines[0][0][0][:1] in ("*", "/") else ""
            out.add("/" + star).append(text).add("/").break_line()
        self.comment_lines(out, node.body.span.start)
        return out.add("{").indent(self.block(node.body, WIDTH - 2)).add("}")

    # ------------------------------------------------------------ comments inside a statement

    def set_aside(self, to: int) -> None:
        self.stray += [remark for remark in self.trivia.claim(to) if remark.text is not None]

    def comment_lines(self, out: Text, to: int) -> None:
        out.remark([remark for remark in self.trivia.claim(to) if remark.text is not None])

    def take_stray(self) -> list[Remark]:
        stray, self.stray = self.stray, []
        return stray

    # ------------------------------------------------------------ statements

    def block(self, node: ast.Block, width: int, *, value: bool = False) -> Text:
        """What stands between the braces.  `value`: the block has one if its last expression lacks a `;`."""
        out = Text()
        closed = semicolons(node, value=value)
        for n, statement in enumerate(node.statements):
            if n:
                out.break_line()
            inner = value or n in closed or n + 1 < len(node.statements) or node.value is not None
            out.append(self.remarked(statement, width, value=inner)).add(";" if n in closed else "")
        if node.value is not None:
            remarks = self.trivia.claim(node.value.span.start)
            text = self.standing_first(node.value, width)
            self.set_aside(node.value.span.end)
            out.remark(remarks + self.take_stray(), 1 if out.height else 0).append(text)
        return out.remark_inline(self.trivia.claim(node.span.end - 1))

    def remarked(self, node: ast.Stmt, width: int, *, value: bool) -> Text:
        """A statement under the remarks that stood before it and the comments inside it."""
        outer, self.stray = self.stray, []
        remarks = self.trivia.claim(node.span.start)
        text = self.statement(node, width, value=value)
        last = node.expr if isinstance(node, ast.ExprStmt) else node  # a statement's span can go on to the next token
        self.set_aside(last.span.start + len(last.span.text.rstrip()) - 1)
        remarks += self.stray
        self.stray = outer
        return Text().remark(remarks).append(text)

    def statement(self, node: ast.Stmt, width: int, *, value: bool) -> Text:
        match node:
            case ast.ExprStmt():
                if isinstance(node.expr, ast.If):
                    return self.if_(node.expr, width, value=value)
                if isinstance(node.expr, ast.Block):
                    return self.block_value(node.expr, width, value=value)
                return self.standing_first(node.expr, width).add(";")
            case ast.Let():
                head = Text(f"let ${node.variable.name}")
                if node.type:
                    head.add(" : ").append(self.type(node.type))
                return self.assignment(head, "=", node.value, width) if node.value else head.add(";")
            case ast.Assign():
                return self.assignment(self.expr(node.target, width), node.op, node.value, width)
            case ast.Discard():
                return Text("_ = ").append(self.expr(node.value, width, bare=True)).add(";")
            case ast.Return():
                return Text("return ").append(self.expr(node.value, 10**6)).add(";") if node.value else Text("return;")
            case ast.For():
                head = Text(f"for ${node.variable.name} : ").append(self.iterable(node.iterable))
                return self.braced(head, node.body, width)
            case ast.While():
                return self.braced(Text("while ").append(self.condition(node.cond, width - 8)), node.body, width)
            case ast.Unroll():
                return self.braced(
                    Text("unroll (").append(self.expr(node.count, width - 11)).add(")"), node.body, width
                )
        return Text(plain_dump(node).strip())

    def standing_first(self, node: ast.Expr, width: int) -> Text:
        text = self.expr(node, width, bare=True)
        return Text("(").append(text).add(")") if misread_first(node, plain_dump(node)) else text

    def braced(self, head: Text, body: ast.Block, width: int) -> Text:
        self.set_aside(body.span.start)
        return head.add(" {").indent(self.block(body, width - 2)).add("}")

    def assignment(self, head: Text, operator: str, value: ast.Expr, width: int) -> Text:
        width -= head.width + 2 + len(operator)
        aligned = not isinstance(value, ast.Block | ast.If | ast.Ternary)
        text = self.expr(value, width, bare=True)
        return head.add(f" {operator} ").append(text, align=aligned).add(";")

    def iterable(self, node: ast.Map | ast.Range) -> Text:
        if isinstance(node, ast.Map):
            return Text("@" + node.name)
        bounds = []
        for bound in (node.start, node.end):
            text = self.expr(bound, WIDTH - 4, bare=True)
            literal = isinstance(bound, ast.Integer | ast.String | ast.Boolean)
            bounds.append(text if literal else Text("(").append(text).add(")"))
        return bounds[0].add("..").append(bounds[1])

    def condition(self, node: ast.Expr, width: int) -> Text:
        text = self.expr(node, width, bare=isinstance(node, ast.Comptime))
        opened = text.lines[0] and text.lines[0][0][0].startswith("(")  # would end at the `)`: `(a + b).c`
        own = is_primitive(node) or isinstance(node, ast.Tuple)
        return Text("(").append(text).add(")") if opened and own else text

    def if_(self, node: ast.If, width: int, *, value: bool = True) -> Text:
        branches: list[tuple[Text, Text]] = []
        last: Text | None = None
        total = 0
        at: ast.If | ast.Block | None = node
        while isinstance(at, ast.If):
            cond = self.condition(at.cond, width - 5)
            self.set_aside(at.then.span.start)
            branches.append((cond, self.block(at.then, width - 2, value=value)))
            total += cond.width + 5 + branches[-1][1].width + 3
            at = at.otherwise
        if at is not None:
            self.set_aside(at.span.start)
            last = self.block(at, width - 2, value=value)
        tall = any(cond.height > 1 or text.height > 1 for cond, text in branches) or (last and last.height > 1)
        statement = node.then.value is None or node.otherwise is None
        if statement or total > width or len(branches) > 1 or tall:
            out = Text()
            for n, (cond, text) in enumerate(branches):
                out.add(" else if " if n else "if ").append(cond).add(" {").indent(text).add("}")
            return out.add(" else {").indent(last).add("}") if last else out
        (cond, text), *_ = branches
        out = Text("if ").append(cond).add(" { ").append(text).add(" }")
        return out.add(" else { ").append(last).add(" }") if last else out

    # ------------------------------------------------------------ expressions

    def expr(self, node: ast.Expr, width: int, *, bare: bool = False) -> Text:
        """An expression; in parentheses unless it is `bare` or primitive."""
        if isinstance(node, ast.Tuple):
            return Text("(").append(self.elements(node, width - 2)).add(")")
        if (bare or is_primitive(node)) and not isinstance(node, ast.Block):
            return self.inner(node, width)
        text = self.block_value(node, width) if isinstance(node, ast.Block) else self.inner(node, width - 2)
        return text if bare else Text("(").append(text).add(")")

    def block_value(self, node: ast.Block, width: int, *, value: bool = True) -> Text:
        self.set_aside(node.span.start)
        text = self.block(node, width - 2, value=value)
        if text.height > 1 or text.width > width:
            return Text("{").indent(text).add("}")
        return Text("{ ").append(text).add(" }")

    def inner(self, node: ast.Expr, width: int) -> Text:
        match node:
            case ast.Integer():
                return Text(node.span.text if node.span.text[:1].isdecimal() else str(node.value))
            case ast.String():
                written = node.span.text
                return Text(written if written[:1] == '"' and "\\" not in written else quote(node.value))
            case ast.Map():
                return Text("@" + node.name)
            case ast.MapAccess():
                several = isinstance(node.key, ast.Tuple) and len(node.key.elements) > 1
                key = self.elements(node.key, width - 2) if several else self.expr(node.key, width - 2, bare=True)  # type: ignore[arg-type]
                return self.bracketed(Text("@" + node.map.name), key, width)
            case ast.Call():
                args = [self.argument(arg, width) for arg in node.args]
                listed = self.spread(args, ", ", width - len(node.name) - 2)
                head = Text(node.name + "(")
                return (head.indent(listed) if listed.width > width else head.append(listed)).add(")")
            case ast.Record():
                shown = [Text(f.name + "=").append(self.expr(f.value, width - len(f.name) - 1)) for f in node.fields]
                listed = self.spread(shown, ", ", width - 2)
                return (Text("(").indent(listed) if listed.height > 1 else Text("(").append(listed)).add(")")
            case ast.If():
                return self.if_(node, width)
            case ast.Binary():
                return self.binary(node, width)
            case ast.Ternary():
                return self.ternary(node, width)
        return self.operation(node, width)

    def operation(self, node: ast.Expr, width: int) -> Text:
        match node:
            case ast.Unary():
                return Text(node.op).append(self.expr(node.expr, width - 1))
            case ast.IncDec():
                target = self.expr(node.target, width - 2)
                return Text(node.op).append(target) if node.prefix else target.add(node.op)
            case ast.Cast():
                head = Text("(").append(self.type(node.type)).add(")")
                return head.append(self.expr(node.expr, width - head.width, bare=is_primitive(node.expr)))
            case ast.Comptime():
                return Text("comptime ").append(self.expr(node.expr, width - 9))
            case ast.FieldAccess():
                return self.base(node.base, width - len(node.name) - 1).add("." + node.name)
            case ast.TupleAccess():
                return self.base(node.base, width - 3).add(f".{node.index}")
            case ast.Index():
                return self.bracketed(self.base(node.base, width - 1, ast.Map), self.expr(node.index, width - 2), width)
            case ast.SizeOf():
                return Text("sizeof(").append(self.type_or_expr(node.of)).add(")")
            case ast.TypeInfo():
                return Text("typeinfo(").append(self.type_or_expr(node.of)).add(")")
            case ast.OffsetOf():
                return Text("offsetof(").append(self.type_or_expr(node.of)).add(f", {'.'.join(node.path)})")
        return Text(plain_dump(node).strip())

    def base(self, node: ast.Expr, width: int, *others: type) -> Text:
        """What `.` or `[` follows; the `others` need parentheses too."""
        text = self.expr(node, width)
        return Text("(").append(text).add(")") if isinstance(node, ast.Comptime) or type(node) in others else text

    def bracketed(self, head: Text, key: Text, width: int) -> Text:
        wide = head.width + key.width + 2 > width
        head.add("[")
        return (head.indent(key) if wide else head.append(key)).add("]")

    def argument(self, node: Any, width: int) -> Text:
        return self.type(node) if isinstance(node, ast.TypeExpr) else self.expr(node, width - 1, bare=True)

    def elements(self, node: ast.Tuple, width: int) -> Text:
        texts = [self.expr(element, width, bare=True) for element in node.elements]
        return texts[0].add(",") if len(texts) == 1 else self.spread(texts, ", ", width - 2)

    def binary(self, node: ast.Binary, width: int) -> Text:
        operands = _chain(node) if node.op in ("&&", "||") else [node.left, node.right]
        texts = []
        for n, operand in enumerate(operands):
            tighter = level(operand) > level(node) or (n == 0 and level(operand) == level(node))
            clear = isinstance(operand, ast.Binary) and operand.op in _COMPARISONS and tighter
            texts.append(self.expr(operand, width, bare=clear))
        return self.spread(texts, f" {node.op} ", width)

    def ternary(self, node: ast.Ternary, width: int) -> Text:
        cond, otherwise = self.expr(node.cond, width), self.expr(node.otherwise, width - 2)
        if node.then is None:
            return cond.add(" ?: ").append(otherwise)
        then = self.expr(node.then, width - 2)
        if cond.width + then.width + otherwise.width + 8 > width:
            cond.break_line().add("? ").append(then)
            return cond.break_line().add(": ").append(otherwise)
        return cond.add(" ? ").append(then).add(" : ").append(otherwise)

    def spread(self, texts: Sequence[Text], separator: str, width: int) -> Text:
        """A list on one line if it fits; else on several, filled from the last backwards."""
        for text in texts[:-1]:
            text.add(separator)
        widths = [text.width for text in texts]
        breaks: set[int] = set()
        if sum(widths) >= width and all(w <= width for w in widths):
            room = width
            for n in range(len(texts) - 1, -1, -1):
                if widths[n] > room:
                    breaks.add(n + 1)
                    room = width
                room -= widths[n]
        out = Text()
        for n, text in enumerate(texts):
            if n in breaks:
                out.break_line()
            out.append(text)
        return out

    # ------------------------------------------------------------ types

    def type(self, node: ast.TypeExpr) -> Text:
        if isinstance(node, ast.TypeOf):
            return Text("typeof(").append(self.type_or_expr(node.of)).add(")")
        return Text(plain_dump(node).strip())

    def type_or_expr(self, node: ast.TypeExpr | ast.Expr) -> Text:
        if isinstance(node, ast.TypeExpr):
            return self.type(node)
        text = self.expr(node, WIDTH, bare=True)
        return Text("(").append(text).add(")") if reads_as_type(node) else text


def _chain(node: ast.Expr, operator: str = "") -> list[ast.Expr]:
    """The operands of `a && b && c`, however they are grouped."""
    if isinstance(node, ast.Binary) and node.op == (operator or node.op) and node.op in ("&&", "||"):
        return _chain(node.left, node.op) + _chain(node.right, node.op)
    return [node]
