"""Walking the typed script.

Place in the pipeline: behind inference, for checks of the whole script and for code generation.  In: typed nodes.
Out: those below them.  What a newcomer would get wrong: symbols are not followed, so the body of a `fn` is not below a
call of it.
"""

from __future__ import annotations

from pytrace.sema import typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def typed_nodes(root: Any) -> Iterator[Any]:
    """All nodes below `root`, in no particular order; symbols are not followed."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        elif isinstance(node, (typed.Expr, typed.Stmt, typed.Block)):
            yield node
            waiting.extend(getattr(node, name) for name in _children(type(node)))


_CHILDREN: dict[type, tuple[str, ...]] = {}


def _children(cls: type) -> tuple[str, ...]:
    """The names of a node's fields that may hold nodes."""
    known = _CHILDREN.get(cls)
    if known is None:
        names = [name for base in cls.__mro__ for name in getattr(base, "__slots__", ())]
        known = _CHILDREN[cls] = tuple(name for name in names if name not in ("type", "span"))
    return known
