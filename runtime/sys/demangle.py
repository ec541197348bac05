"""C++ names through the C++ library's own demangler.

Place in the pipeline: under symbols and the uprobe expansion.  In: `_ZN3foo3barEi`.  Out: `foo::bar(int)`.  What a
newcomer would get wrong: the library is loaded at the first mangled name, not before.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@lru_cache(maxsize=1)
def _library() -> tuple[Any, Any] | None:
    try:
        library = ctypes.CDLL("libstdc++.so.6")
    except OSError:
        return None
    function = library.__cxa_demangle
    function.restype = ctypes.c_void_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    free = ctypes.CDLL(None).free
    free.argtypes = (ctypes.c_void_p,)
    return function, free


def demangle(name: str) -> str:
    """The readable form of a mangled name, "" if it is none or there is no C++ library."""
    library = _library()
    if library is None:
        return ""
    function, free = library
    text = function(name.encode("latin-1"), None, None, None)
    if not text:
        return ""
    try:
        return ctypes.string_at(text).decode("latin-1")
    finally:
        free(text)
