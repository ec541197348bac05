"""The environment variables that pytrace reads: a row each, for its manual.

Place in the pipeline: beside the tables of options and settings.  In: nothing.  Out: `VARIABLES`.  What a newcomer
would get wrong: a variable is read where it is needed, by its name; a unit test finds those that have no row here.
"""

from __future__ import annotations

from pytrace.record import record


@record
class EnvironmentDef:
    """One variable.  `value`: what may stand there."""

    name: str
    value: str
    doc: str


VARIABLES = (
    EnvironmentDef("BPFTRACE_BTF", "FILE", "Type information to use instead of the running kernel's."),
    EnvironmentDef(
        "BPFTRACE_COLOR",
        "auto|always|never",
        "Whether messages are coloured; auto, the default, means if stdout and stderr are terminals.",
    ),
    EnvironmentDef(
        "PYTRACE_CACHE_DIR", "DIR", "Where compiled programs and listings are kept, unless --cache-dir says."
    ),
    EnvironmentDef("XDG_CACHE_HOME", "DIR", "They are kept in its folder pytrace otherwise, by default in ~/.cache."),
    EnvironmentDef("PYTRACE_TRACEBACK", "1", "Show where in pytrace a fault of its own happened."),
    EnvironmentDef("CPATH", "DIR[:DIR]", "Folders that are searched for #include files, behind those of -I."),
    EnvironmentDef("C_INCLUDE_PATH", "DIR[:DIR]", "The same, behind CPATH."),
    EnvironmentDef("PATH", "DIR[:DIR]", "Where the command of -c, programs of uprobes without a slash, and clang are."),
    EnvironmentDef("TZ", "ZONE", "The time zone of strftime() and time()."),
)
"""In the order of the manual.  Each setting can be given as BPFTRACE_<KEY> too: `sema.config`."""
