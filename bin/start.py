"""Started by bin/pytrace with -I -S: no `site`, no user environment.  argv[1] is the environment's site-packages."""

import sys

sys.path[:0] = [__file__.removesuffix("/bin/start.py")]
sys.path += [sys.argv[1], "/usr/lib/python3/dist-packages"]  # the second for Debian's python3-bpfcc
sys.argv[:2] = ["pytrace"]
with open("/proc/self/comm", "w") as comm:  # as an installed pytrace is called, in ps and in traces
    comm.write("pytrace")

from pytrace.cli import main  # noqa: E402

sys.exit(main())
