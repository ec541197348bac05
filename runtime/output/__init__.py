"""Where a run's output goes: text, JSON, or Python objects.

Place in the pipeline: the end of it.  In: options, then events from the session and the rows' handlers.  Out: bytes on
a file descriptor.  What a newcomer would get wrong: importing this package must stay cheap, a text run of hello world
loads `base` and `text` only; histograms, charts, clocks and symbols are loaded by the first value that needs them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.runtime.output.base import Output


def open_output(options: Any) -> Output:
    """The output that `options` (pytrace.options.Options) ask for; close it, or use it as a context manager.

    Raises UsageError when the `-o` file cannot be opened.
    """
    fd, owned = 1, False
    if options.output:
        fd, owned = _open_file(options.output), True
    settings = {
        "fd": fd,
        "owned": owned,
        "buffering": options.buffering,
        "quiet": options.quiet,
        "warnings": options.warning_level > 0,
        "colour": options.colour,
    }
    if options.format == "json":
        from pytrace.runtime.output.json import JsonOutput

        return JsonOutput(**settings)
    from pytrace.runtime.output.text import TextOutput

    output = TextOutput(**settings)
    output.map_rows = options.map_rows
    return output


def _open_file(path: str) -> int:
    import os

    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        from pytrace.diagnostics import UsageError

        raise UsageError(f'Failed to open output file: "{path}": {error.strerror}') from None
