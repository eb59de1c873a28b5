"""The hall: the only place that knows two rooms. Here parts become commands."""
