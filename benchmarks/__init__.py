"""Measures what an event costs, beside the bare API writes that it needs at least."""
