"""The schemas of definitions: validation, pruning and defaults of a value."""
