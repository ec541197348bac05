"""The variables table; see pytrace.defs."""
