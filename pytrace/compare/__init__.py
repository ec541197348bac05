"""`pytrace compare`: the same script through real bpftrace and through pytrace, and whether their answers are the same.

Place in the pipeline: a command of its own beside `driver`; nothing here is imported by any other command.  In: the
words behind `compare`.  Out: a report and an exit status.  The way through it: `arguments` (what is asked), `versions`
(which bpftrace, and what its version prints otherwise), `tracer` and `runs` (the two at work), `document` (text to
lines and maps), `comparer` with `tokens`, `chance` and `tolerance` (what may differ, and what does), `verdict` (several
runs), `report`.  What a newcomer would get wrong: it is the text form that is compared, because that is what people
read; only what is listed in the report as set aside is not counted.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.compare.arguments import Request, request
    from pytrace.compare.command import compare
    from pytrace.compare.report import Comparison

__all__ = ["Comparison", "Request", "compare", "request"]

_HOMES = {"Comparison": "report", "Request": "arguments", "compare": "command", "request": "arguments"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pytrace.compare' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"pytrace.compare.{home}"), name)
