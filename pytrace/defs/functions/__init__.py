"""The functions table; see pytrace.defs."""
