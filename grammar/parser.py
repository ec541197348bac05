"""Text to AST: the door of the grammar package.

Place in the pipeline: the first stage.  In: a Source.  Out: `ast.Script`, or `ScriptError` with messages in the
reference's words and places (spec 07 §3).  What a newcomer would get wrong: neither lark nor a separate token
list is involved at run time; `engine.py` explains.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.grammar import ast
from pytrace.grammar.depth import room
from pytrace.grammar.engine import Engine
from pytrace.grammar.recovery import Recovery
from pytrace.grammar.tree import TreeBuilder
from pytrace.source import Source


def parse(source: Source, diagnostics: Diagnostics) -> ast.Script:
    """The tree of a whole script.  Syntax errors go to `diagnostics` and raise `ScriptError`."""
    result = _run(source, diagnostics, "script", _after_shebang(source.text))
    if not isinstance(result, ast.Script):
        raise ScriptError(diagnostics)
    return result


def parse_with_gaps(source: Source, diagnostics: Diagnostics) -> tuple[ast.Script | None, list[tuple[int, int]]]:
    """Like `parse`, with the (start, end) of all white space and comments, for the formatter; None after an error."""
    engine = _engine(source, diagnostics, _after_shebang(source.text))
    engine.gaps = []
    with room():
        result = engine.run("script")
    engine.gaps.append((engine.at, len(source.text)))
    return (result if isinstance(result, ast.Script) else None), engine.gaps


def parse_expression(text: str, source: Source | None = None) -> ast.Expr | None:
    """The expression that `text` is from end to end, or None.  For `#define` bodies and the like.

    Spans are in `source` if given (it must hold `text` at its beginning), else in a source of its own.
    """
    return _run(source or Source("expression", text), Diagnostics(), "expr")  # type: ignore[return-value]


def parse_type(text: str) -> ast.TypeExpr | None:
    """The type that `text` is from end to end, or None."""
    return _run(Source("type", text), Diagnostics(), "type")  # type: ignore[return-value]


def _run(source: Source, diagnostics: Diagnostics, start: str, begin: int = 0) -> object:
    with room():
        return _engine(source, diagnostics, begin).run(start)


def _engine(source: Source, diagnostics: Diagnostics, begin: int) -> Engine:
    engine = Engine(source, diagnostics, begin)
    engine.actions = TreeBuilder(engine)
    engine.recovery = Recovery(engine)
    return engine


def _after_shebang(text: str) -> int:
    """A `#!` line may come first, after white space and comments."""
    from pytrace.grammar.lexer import Lexer

    begin = Lexer(text).skip_layout(0)
    if not text.startswith("#!", begin):
        return 0
    end = text.find("\n", begin)
    return len(text) if end < 0 else end
