"""An interactive shell on a terminal, as somebody sits before it, for what happens at TAB.

In: a shell and what it has to read first.  Out: what has become of a line that was begun.  What a newcomer would get
wrong: the shell itself says what stands on its line (a key is bound to that), since what it draws on the screen is
meant for eyes.
"""

from __future__ import annotations

import os
import pty
import re
import select
import time
from pathlib import Path

from tests.harness.process import environment
from tests.harness.tracer import SCALE

_TELL, _CLEAR = "\x14", "\x15"  # C-t and C-u: neither begins longer sequences, for which a shell would wait
_SETUP = {
    "bash": [
        "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'",
        "bind 'set page-completions off'; bind 'set completion-query-items 0'; bind '\"\\C-u\": unix-line-discard'",
        r"""bind -x '"\C-t": printf "<\2%s\2>" "$READLINE_LINE"'""",
    ],
    "zsh": [
        "PS1='$ '; unsetopt prompt_cr prompt_sp beep; setopt auto_list; LISTMAX=9999; bindkey -e",
        r"dump() { printf '<\2%s\2>' $BUFFER }; zle -N dump; bindkey '^T' dump; bindkey '^U' kill-whole-line",
        "autoload -U compinit && compinit -u -D",
    ],
}
_COMMAND = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


class Shell:
    """`bash` or `zsh` in `folder`, its commands in `path` first.  Close it."""

    def __init__(self, name: str, folder: Path, path: Path, setup: str) -> None:
        self._seen = b""
        home = {"HOME": str(folder), "INPUTRC": "/dev/null", "PYTRACE_CACHE_DIR": f"{folder}-cache"}
        env = environment(**home)
        env["PATH"] = f"{path}:{env['PATH']}"
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(_COMMAND[name][0], _COMMAND[name], env)
        for line in (*_SETUP[name], setup, "echo RE''ADY"):
            os.write(self._fd, line.encode() + b"\r")
        self._until(rb"READY\r\n")

    def _until(self, pattern: bytes) -> re.Match[bytes]:
        deadline = time.monotonic() + 30 * SCALE
        while not (found := re.search(pattern, self._seen, re.S)):
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in time: {self._seen!r}"
            self._seen += os.read(self._fd, 65536)
        self._seen = self._seen[found.end() :]
        return found

    def complete(self, line: str, tabs: int = 1) -> tuple[str, str]:
        """The line after TAB, and all that the shell has shown meanwhile."""
        os.write(self._fd, (line + "\t" * tabs + _TELL).encode())
        found = self._until(rb"^(.*)<\x02(.*)\x02>")
        os.write(self._fd, _CLEAR.encode())
        return found[2].decode(), found[1].decode()

    def close(self) -> None:
        os.write(self._fd, b"\x15\rexit\r")
        deadline = time.monotonic() + 5 * SCALE
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, 9)
            time.sleep(0.01)
        os.close(self._fd)
