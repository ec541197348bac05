"""pytrace: the bpftrace language, compiled and run from Python.

Place in the pipeline: the public face; everything here is loaded on first use, so that importing the package costs
nothing.  In: scripts as text.  Out: `compile` (script to Program) and `run` (Program or script to decoded events and
maps).  What a newcomer would get wrong: `run` needs root, and blocks until the script exits or `timeout` is over.

    import pytrace
    result = pytrace.run('tracepoint:syscalls:sys_enter_execve { @[comm] = count(); }', timeout=5)
    print(result.maps["@"])
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.driver import compile, run
    from pytrace.program import Program

__all__ = ["Program", "compile", "run"]

_HOMES = {"compile": "pytrace.driver", "run": "pytrace.driver", "Program": "pytrace.program"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pytrace' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
