"""Names of the kernel's memory allocation flags, for `%gr` (include/linux/gfp_types.h).

Place in the pipeline: called by `printf`, imported only when a script uses `%gr`.  In: a gfp_t.  Out:
`GFP_KERNEL|__GFP_ZERO`.  What a newcomer would get wrong: the order matters: a compound name takes its bits away before
the next is tried.
"""

from __future__ import annotations

_BITS = {
    name: 1 << bit
    for bit, name in enumerate((
        "DMA", "HIGHMEM", "DMA32", "MOVABLE", "RECLAIMABLE", "HIGH", "IO", "FS", "ZERO", "", "DIRECT_RECLAIM",
        "KSWAPD_RECLAIM", "WRITE", "NOWARN", "RETRY_MAYFAIL", "NOFAIL", "NORETRY", "MEMALLOC", "COMP", "NOMEMALLOC",
        "HARDWALL", "THISNODE", "ACCOUNT", "ZEROTAGS", "SKIP_ZERO", "SKIP_KASAN", "NO_OBJ_EXT",
    ))
    if name
}  # fmt: skip


def _mask(*names: str) -> int:
    return sum(_BITS[n] for n in names)


_RECLAIM = _mask("DIRECT_RECLAIM", "KSWAPD_RECLAIM")
_NOFS = _RECLAIM | _BITS["IO"]
_KERNEL = _NOFS | _BITS["FS"]
_USER = _KERNEL | _BITS["HARDWALL"]
_HIGHUSER = _USER | _BITS["HIGHMEM"]
_MOVABLE = _HIGHUSER | _mask("MOVABLE", "SKIP_KASAN")
_HUGE_LIGHT = (_MOVABLE | _mask("COMP", "NOMEMALLOC", "NOWARN")) & ~_RECLAIM

_SINGLE_LAST = (
    "HIGH", "IO", "FS", "ZERO", "DIRECT_RECLAIM", "KSWAPD_RECLAIM", "WRITE", "NOWARN", "RETRY_MAYFAIL", "NOFAIL",
    "NORETRY", "MEMALLOC", "COMP", "NOMEMALLOC", "HARDWALL", "THISNODE", "ACCOUNT", "ZEROTAGS", "SKIP_ZERO",
    "SKIP_KASAN", "NO_OBJ_EXT",
)  # fmt: skip

_NAMES: tuple[tuple[int, str], ...] = (
    (_HUGE_LIGHT | _BITS["DIRECT_RECLAIM"], "GFP_TRANSHUGE"),
    (_HUGE_LIGHT, "GFP_TRANSHUGE_LIGHT"),
    (_MOVABLE, "GFP_HIGHUSER_MOVABLE"),
    (_HIGHUSER, "GFP_HIGHUSER"),
    (_USER, "GFP_USER"),
    (_KERNEL | _BITS["ACCOUNT"], "GFP_KERNEL_ACCOUNT"),
    (_KERNEL, "GFP_KERNEL"),
    (_NOFS, "GFP_NOFS"),
    (_mask("HIGH", "KSWAPD_RECLAIM"), "GFP_ATOMIC"),
    (_RECLAIM, "GFP_NOIO"),
    (_mask("KSWAPD_RECLAIM", "NOWARN"), "GFP_NOWAIT"),
    (_BITS["DMA"], "GFP_DMA"),
    (_BITS["HIGHMEM"], "__GFP_HIGHMEM"),
    (_BITS["DMA32"], "GFP_DMA32"),
    *((_BITS[n], f"__GFP_{n}") for n in _SINGLE_LAST),
)


def describe(flags: int) -> str:
    """The names of `flags`, longest combinations first; bits without a name as one hexadecimal number, 0 as `0`."""
    rest = flags & (1 << 64) - 1
    found = []
    for mask, name in _NAMES:
        if rest & mask == mask:
            found.append(name)
            rest &= ~mask
    if rest:
        found.append(f"0x{rest:x}")
    return "|".join(found) or "0"
