"""Sets of system calls as strace's `-e trace=` writes them.

Place in the pipeline: asked by the type rule of `syscall_in`.  In: text.  Out: call numbers.  What a newcomer would get
wrong: classes such as `%file` are not lists but follow from `signatures`: a call belongs to it because it takes a path.
"""

from __future__ import annotations

from pytrace.defs.name_tables import SYSCALLS
from pytrace.defs.syscalls.signatures import SIGNATURES

_LISTED = {
    "process": "clone clone3 execve execveat exit exit_group fork kill pidfd_send_signal rt_sigqueueinfo "
    "rt_tgsigqueueinfo tgkill tkill unshare vfork wait4 waitid",
    "network": "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg "
    "sendfile sendmmsg sendmsg sendto setsockopt shutdown socket socketpair",
    "signal": "kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4 tgkill tkill",
    "ipc": "msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget",
    "memory": "brk get_mempolicy io_destroy io_setup madvise map_shadow_stack mbind migrate_pages mincore mlock mlock2 "
    "mlockall mmap move_pages mprotect mremap mseal msync munlock munlockall munmap pkey_mprotect process_madvise "
    "remap_file_pages set_mempolicy set_mempolicy_home_node shmat shmdt",
    "creds": "capget capset getegid geteuid getgid getgroups getresgid getresuid getuid prctl setfsgid setfsuid setgid "
    "setgroups setregid setresgid setresuid setreuid setuid",
    "clock": "adjtimex clock_adjtime clock_getres clock_gettime clock_settime gettimeofday settimeofday time",
}
_BY_KIND = {"file": ("path",), "desc": ("fd", "dirfd")}


class SetError(ValueError):
    """What is wrong with the text of a set."""


def numbers_of(text: str) -> set[int] | None:
    """The calls that are meant; None for all.  Raises SetError."""
    words = text.removeprefix("trace=").removeprefix("t=")
    negated = words.startswith("!")
    found: set[int] = set()
    everything = False
    for word in words.removeprefix("!").split(","):
        if word == "all":
            everything = True
        elif word != "none":
            found |= _numbers(word)
    if everything:
        return set() if negated else None
    return set(SYSCALLS) - found if negated else found


def _numbers(word: str) -> set[int]:
    if word.startswith("/"):
        return _matching(word[1:])
    if word.startswith("%"):
        names = _class(word[1:])
        return {number for number, name in SYSCALLS.items() if name in names}
    name = word.removeprefix("?")
    found = {number for number, known in SYSCALLS.items() if known == name}
    if not found and name == word:
        from difflib import get_close_matches

        close = get_close_matches(word, SYSCALLS.values(), 1)
        raise SetError(f"invalid system call '{word}'" + (f"; did you mean '{close[0]}'?" if close else ""))
    return found


def _matching(pattern: str) -> set[int]:
    import re

    try:
        matches = re.compile(pattern).search
    except re.error as problem:
        raise SetError(f"invalid regular expression '{pattern}': {problem}") from None
    return {number for number, name in SYSCALLS.items() if matches(name)}


def _class(name: str) -> set[str]:
    if name in _LISTED:
        return set(_LISTED[name].split())
    if name == "net":
        return _class("network")
    if name not in _BY_KIND:
        known = ", ".join(f"%{c}" for c in sorted((*_LISTED, *_BY_KIND)))
        raise SetError(f"invalid class of system calls '%{name}' (known: {known})")
    kinds = _BY_KIND[name]
    return {
        call for call, signature in SIGNATURES.items() if any(w.partition(":")[0] in kinds for w in signature.arguments)
    }
