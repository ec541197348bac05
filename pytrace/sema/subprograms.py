"""The script's `fn`s as a whole: each is there once, none calls itself; what they do when they are called.

Place in the pipeline: around inference; code generation asks `may_end_probe` too.  In: definitions, later symbols with
their bodies.  Out: errors, such as about recursion, which BPF does not have.  What a newcomer would get wrong: `exit()`
inside a `fn` ends the probe that called it, through every `fn` between the two.
"""

from __future__ import annotations

from pytrace.diagnostics import Context
from pytrace.grammar import ast
from pytrace.sema import typed
from pytrace.sema.typed_tree import typed_nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.diagnostics import Diagnostics


def check_definitions(script: ast.Script, diagnostics: Diagnostics) -> None:
    """Each `fn` is there once, and each of its parameters."""
    known: dict[str, ast.Subprogram] = {}
    for item in script.items:
        if not isinstance(item, ast.Subprogram):
            continue
        first = known.setdefault(item.name, item)
        if first is not item:
            context = Context("This is the original definition.", first.span)
            diagnostics.error(f"Redefinition of function: {item.name}", item.span, contexts=(context,))
        names = [p.variable.name for p in item.params]
        for n, parameter in enumerate(item.params):
            if parameter.variable.name in names[:n]:
                diagnostics.error(f"Parameter has already been used: ${parameter.variable.name}", parameter.span)


def calls(symbol: typed.SubprogramSymbol) -> list[typed.SubprogramCall]:
    """The calls of other `fn`s in the body of `symbol`."""
    return [node for node in typed_nodes(symbol.body) if isinstance(node, typed.SubprogramCall)]


def may_end_probe(symbol: typed.SubprogramSymbol) -> bool:
    """Whether a function that does not return, such as exit(), can be reached from `symbol`."""
    reached = [symbol]
    for current in reached:  # grows while it is walked
        for node in typed_nodes(current.body):
            if isinstance(node, typed.Call) and node.row.diverges:
                return True
            if isinstance(node, typed.SubprogramCall) and node.symbol not in reached:
                reached.append(node.symbol)
    return False


def report_recursion(symbols: Iterable[typed.SubprogramSymbol], diagnostics: Diagnostics) -> None:
    """An error at each call that closes a circle."""
    done: set[str] = set()
    for symbol in symbols:
        _follow([symbol], done, diagnostics)


def _follow(chain: list[typed.SubprogramSymbol], done: set[str], diagnostics: Diagnostics) -> None:
    if chain[-1].name in done:
        return
    for call in calls(chain[-1]):
        if call.symbol in chain:
            names = [s.name for s in chain[chain.index(call.symbol) :]] + [call.symbol.name]
            diagnostics.error(f"Recursive function call detected. Call chain: {' > '.join(names)}", call.span)
        else:
            _follow([*chain, call.symbol], done, diagnostics)
    done.add(chain[-1].name)
