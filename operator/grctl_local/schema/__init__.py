"""Schemas of definitions, and what is done to a value by one: check it, prune it, fill it in."""
