"""Started by bin/pytrace with -I -S: no `site`, no user environment.

argv[1] is the environment's site-packages, argv[2] the name that the command was called by.
"""

import sys

sys.path[:0] = [__file__.removesuffix("/bin/start.py")]
sys.path += [sys.argv[1], "/usr/lib/python3/dist-packages"]  # the second for Debian's python3-bpfcc
sys.argv[:3] = [sys.argv[2]]
with open("/proc/self/comm", "w") as comm:  # as an installed pytrace is called, in ps and in traces
    comm.write(sys.argv[0][:15])

from pytrace.cli import command  # noqa: E402

command()
