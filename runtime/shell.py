"""Commands for system(): run by the shell, their output collected.

Place in the pipeline: called by the handler of system().  In: a command line.  Out: what it wrote on stdout and stderr.
What a newcomer would get wrong: Python ignores SIGPIPE and the session blocks signals; a child must get both back as a
shell expects them.
"""

from __future__ import annotations

import os
import signal


def run(command: bytes) -> tuple[bytes, str]:
    """(output, "") or (b"", why it failed) of `sh -c command`; waits for it."""
    reader, writer = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
        argv = [b"sh", b"-c", command]
        pid = os.posix_spawnp(
            "sh", argv, os.environ, file_actions=actions, setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
        )
    except (OSError, ValueError) as error:
        os.close(reader)
        return b"", f"command could not be run ({error})"
    finally:
        os.close(writer)
    pieces = []
    with open(reader, "rb", buffering=0) as f:
        while piece := f.read(1 << 16):
            pieces.append(piece)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code > 0:
        return b"", f"command exited with code {code} (No such file or directory)"
    if code < 0:
        return b"", f"child process did not exit normally ({signal.strsignal(-code) or f'signal {-code}'})"
    return b"".join(pieces), ""
