"""The aggregates table; see pytrace.defs."""
