"""The texts of run-time messages (spec 07 §6).

Place in the pipeline: between the events that a program reports about itself and the outputs.  In: the `kind` that
`Lowering.runtime_error` was given, or a helper and what it returned.  Out: text.  What a newcomer would get wrong: a
failed look-up is reported with code 0, because the helper returns a pointer.
"""

from __future__ import annotations

RUNTIME_TEXTS = {
    "divide_by_zero": (
        "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result."
    ),
    "out_of_bounds": "Array access out of bounds. This can lead to unexpected results.",
    "no_cpid": "No child command (`-c`); cpid is zero",
    "kstack": "Error reading kstack.",
    "ustack": "Error reading ustack.",
    "no_dwarf": (
        "No DWARF unwind data available for this process. Use -p or --dwarf-pid to specify target PIDs."
    ),
    "cpu_count": "CPU count mismatch; unable to find per-cpu data.",
}
"""`kind` of Lowering.runtime_error → text."""

_E2BIG, _ENOENT = 7, 2


def helper_message(helper: str, code: int) -> str:
    """What went wrong when `helper` (bpf.h without `bpf_`) returned `code`."""
    if helper == "map_update_elem" and code == -_E2BIG:
        return (
            "Map full; can't update element. Try increasing max_map_keys config or manually setting the max entries "
            "in a map declaration e.g. `let @a = hash(5000)`"
        )
    if helper == "map_delete_elem" and code == -_ENOENT:
        return "Can't delete map element because it does not exist."
    if helper == "map_lookup_elem":
        return "Can't lookup map element because it does not exist."
    from os import strerror

    return strerror(-code if code < 0 else code)
