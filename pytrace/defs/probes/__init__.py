"""The probes table; see pytrace.defs."""
