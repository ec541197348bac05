"""Syntax errors: which message, and how to go on so that the messages that follow are the reference's too.

Place in the pipeline: called by `engine.py` when the parser's state cannot take the next token.  In: the stack of
states.  Out: a message, and tokens without text that are supplied in place of what is missing.  What a newcomer
would get wrong: nothing is ever skipped to resynchronise.  The reference takes what it expected as given
and goes on at the same place, and after an error closes one block after the other without looking at what
is left in them; so a script gets the message for its first error and the few that follow from it.

`EXPECTATIONS` is a table by example; tests/unit/test_grammar.py tries each of its rows.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.grammar.engine import Stop, state
from pytrace.grammar.lexer import END
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.grammar.engine import Engine, State

_GO_ON = ""
_ABORT = "abort"
_SKIP_BLOCK = "skip block"


@record
class Expectation:
    """What to say when `example` is met, where its last word does not fit.

    Applies when `after` was read last ("" for anything), all of `takes` fit here and none of `lacks`.
    `supply` are the kinds of token to go on with (`?`: if it fits), `then` what else to do.
    """

    example: str
    message: str
    after: str
    takes: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    supply: tuple[str, ...] = ()
    then: str = _GO_ON


_MACRO_PARAMETER = "expected macro argument ($var, @map, or identifier)"
_LOOP_VARIABLE = "expected variable in for loop"

EXPECTATIONS = (
    Expectation("macro 1", "expected macro name", "MACRO", ("IDENT",), then=_ABORT),
    Expectation("fn 1", "expected function name", "FN", ("IDENT",), then=_ABORT),
    Expectation("macro m( 1", _MACRO_PARAMETER, "", ("VARIABLE", "MAP", "IDENT"), ("INTEGER",), ("IDENT",)),
    Expectation("let @a = 1", "expected map type name", "ASSIGN", ("IDENT",), ("STRING",), then=_ABORT),
    Expectation(
        "import 1", "expected string after 'import'", "IMPORT", ("STRING",), supply=("STRING", "SEMICOLON")
    ),
    Expectation(
        "begin { let 1", "expected variable after 'let'", "LET", ("VARIABLE",), supply=("VARIABLE", "SEMICOLON")
    ),
    Expectation(
        "begin { if 1 { } else 1", "expected '{' or 'if' after 'else'", "ELSE", ("LBRACE",), (), ("LBRACE", "RBRACE")
    ),
    Expectation("begin { for 1", _LOOP_VARIABLE, "FOR", ("VARIABLE",), (), ("VARIABLE", "COLON", "MAP"), _SKIP_BLOCK),
    Expectation(
        "begin { for ( 1", _LOOP_VARIABLE, "LPAR", ("VARIABLE",), ("IDENT", "RPAR"),
        ("VARIABLE", "COLON", "MAP", "RPAR"), _SKIP_BLOCK,
    ),
    Expectation(
        "begin { for $i 1", "expected ':'", "for_variable", ("COLON",), (), ("COLON", "MAP", "RPAR?"), _SKIP_BLOCK
    ),
    Expectation(
        "fn f( 1", "expected variable in function argument", "", ("VARIABLE",), ("INTEGER", "MAP"),
        ("VARIABLE", "COLON", "IDENT"),
    ),
    Expectation("begin { $x. (", "expected field name after '.'", "DOT", ("IDENT", "INTEGER"), supply=("IDENT",)),
    Expectation("begin { $x-> (", "expected field name after '->'", "ARROW", ("IDENT",), supply=("IDENT",)),
    Expectation("begin { offsetof(x, a. 1", "", "DOT", ("IDENT",), supply=("IDENT",)),
    Expectation("begin { let $x : 1", "expected type name", "", ("IDENT", "TYPEOF"), ("VARIABLE",), ("IDENT",)),
    Expectation("begin { let $x : struct 1", "expected identifier", "_tag", ("IDENT",), supply=("IDENT",)),
)  # fmt: skip

_CLOSERS = {
    "RPAR": "expected ')'",
    "RSQB": "expected ']'",
    "SEMICOLON": "expected ';'",
    "_PREDICATE_END": "expected '/' to close predicate",
    "LBRACE": "expected '{'",
    "COLON": "expected ':'",
    "COMMA": "expected ','",
    "LPAR": "expected '('",
    "ASSIGN": "expected '='",
    "RBRACE": "expected '}'",
}
"""What can end or go on with something complete, in the order of preference."""

_NO_SEMICOLON = (ast.If, ast.Block, ast.Ternary)


class Recovery:
    """The error handling of one parse."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def takes(self, kind: str) -> bool:
        return self.engine.takes(kind)

    def symbols(self) -> list[str]:
        return [state(number).symbol for number in self.engine.states]

    def after_error(self, top: State) -> bool:
        """What the reference does at the head of its loops once there was an error; True if that was done."""
        if "C_DEFINITION" in top.row:
            raise Stop
        if self.engine.skipped_block:
            self.engine.skipped_block = False
            self.engine.supply("LBRACE")
            return True
        if self.engine.in_block():
            self.engine.supply("RBRACE")
            return True
        return False

    def recover(self, begin: int, kind: str) -> None:
        """The token at `begin` does not fit: report, and supply what does.  Raises Stop to give up."""
        if self.takes("_BLOCK_END"):
            self._end_statement(begin)
            return
        symbols = self.symbols()
        if self._outside_of_items(symbols) or self._in_config(begin, symbols) or self._special(begin, symbols):
            return
        for row in EXPECTATIONS:
            if self._applies(row, symbols[-1]):
                self._apply(row, symbols)
                return
        if self.takes("VARIABLE") and self.takes("INTEGER"):
            if kind == END and self.takes("LET"):
                self._say("expected '}'", "RBRACE")
            else:
                self._say("expected expression", "IDENT")
            return
        self._close(symbols)

    def _applies(self, row: Expectation, symbol: str) -> bool:
        return (
            row.after in ("", symbol)
            and all(self.takes(kind) for kind in row.takes)
            and not any(self.takes(kind) for kind in row.lacks)
        )

    def _apply(self, row: Expectation, symbols: list[str]) -> None:
        engine = self.engine
        if row.message:
            engine.report_at(row.message, engine.at)
        if not _nested(symbols):
            self._leave_parameters(symbols)
        if row.then == _ABORT or not (_nested(symbols) or row.message == _MACRO_PARAMETER):
            raise Stop
        if row.then == _SKIP_BLOCK:
            engine.skip_block()
        for kind in row.supply:
            if not kind.endswith("?") or self.takes(kind[:-1]):
                engine.supply(kind.rstrip("?"))

    def _say(self, message: str, kind: str) -> None:
        self.engine.report_at(message, self.engine.at)
        self.engine.supply(kind)

    def _close(self, symbols: list[str]) -> None:
        engine = self.engine
        for kind, message in _CLOSERS.items():
            if self.takes(kind):
                if kind == "LBRACE":
                    engine.reduce_until(kind)  # the head of a loop has something to say itself
                    if engine.skipped_block:
                        return
                if kind == "SEMICOLON" and symbols[-1] == "STRING" and symbols[-2] == "IMPORT":
                    message = "expected ';' after import"
                engine.report_at(message, engine.at)
                if not _nested(symbols):
                    if kind != "RPAR":
                        self._leave_parameters(symbols)
                    raise Stop
                engine.supply(kind)
                return
        engine.report_at("unexpected input", engine.at)
        raise Stop

    def _leave_parameters(self, symbols: list[str]) -> None:
        """A wrong parameter of a subprogram also costs it its `)`."""
        engine = self.engine
        at = engine.lexer.skip_layout(engine.at)
        if "FN" in symbols and "LPAR" in symbols and "RPAR" not in symbols:
            if engine.lexer.char(at) != ")":
                engine.report_at("expected ')'", at)
            raise Stop

    # ------------------------------------------------------------ statements

    def _end_statement(self, begin: int) -> None:
        """An expression as a statement that neither `;` nor `}` follows."""
        engine = self.engine
        engine.reduce_until("_BLOCK_END")
        start = engine.starts[-1]
        sigil = engine.source.text[start : start + 1] in ("$", "@")
        broken_block = engine.errors and isinstance(engine.values[-1], ast.Block)
        if (broken_block or not isinstance(engine.values[-1], _NO_SEMICOLON)) and not (engine.errors and sigil):
            engine.report_at("expected ';'", engine.at)
        engine.supply("_BLOCK_END")
        if start == begin < len(engine.source.text):
            engine.report_at("unexpected input in block", engine.at)
            engine.at = begin + 1

    # ------------------------------------------------------------ places that need a look at the stack

    def _outside_of_items(self, symbols: list[str]) -> bool:
        """Between the items of a script, and in a list of attach points."""
        engine = self.engine
        row = state(engine.states[-1]).row
        if "ATTACH_POINT" in row:
            engine.report_at("expected attach point", engine.at)
            engine.report_at("unexpected input" if "C_DEFINITION" in row else "expected '{'", engine.at)
            raise Stop
        if symbols[-1] == "LET" and "MAP" in row:
            message = "root-level let statements need to be map declarations, e.g. let @a = hash(2);"
            engine.report(message, engine.starts[-1], engine.ends[-1])
            raise Stop
        return False

    def _in_config(self, begin: int, symbols: list[str]) -> bool:
        if "CONFIG" not in symbols or (symbols[-1] in ("CONFIG", "ASSIGN") and "LBRACE" not in symbols):
            return False
        engine = self.engine
        c = engine.lexer.char(begin)
        if self.takes("ASSIGN"):
            messages = ["expected '='", "expected '}'" if c != "}" else ""]
        elif self.takes("STRING"):
            messages = ["expected string, int, boolean, or ident", "expected ';'" if c not in ("}", ";") else ""]
        elif self.takes("SEMICOLON"):
            messages = ["expected ';'"]
        else:
            messages = ["expected config key" if c else "", "expected '}'"]
        for message in messages:
            if message:
                engine.report_at(message, engine.at)
        if messages[-1] == "expected ';'" and engine.source.text.find("}", begin) < 0:
            engine.report_at("expected '}'", len(engine.source.text))
        raise Stop

    def _special(self, begin: int, symbols: list[str]) -> bool:
        engine = self.engine
        below = symbols[-2] if len(symbols) > 1 else ""
        if symbols[-1] == "AMPERSAND" and self.takes("MAP") and not self.takes("INTEGER"):
            engine.report_at("address-of operator (&) can only be used on a map or variable", engine.at)
            engine.drop()
            engine.supply("TILDE")
            return True
        if symbols[-1] == "COMMA" and self.takes("IDENT") and not self.takes("VARIABLE"):
            if below == "_type_or_expr":  # offsetof: an absent name goes unmentioned
                engine.supply("IDENT")
                return True
            engine.report_at("expected identifier", engine.at)
            engine.at = engine.lexer.closing_parenthesis(begin)
            for kind in ("IDENT", "ASSIGN", "IDENT"):
                engine.supply(kind)
            return True
        return False


def _nested(symbols: list[str]) -> bool:
    """Inside a block or a predicate, where the reference goes on after an error."""
    return "LBRACE" in symbols or "SLASH" in symbols
