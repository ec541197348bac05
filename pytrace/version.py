"""Which bpftrace this is compatible with.  Imports nothing; what comes in: nothing; a newcomer may look for our own
version here: that is `pytrace.__version__`."""

REFERENCE = "v0.27.1"
