"""The maps table; see pytrace.defs."""
