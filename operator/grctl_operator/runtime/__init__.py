"""The operator's I/O: what is watched, what is written, who is connected. No rules: see `engine`.

`operator.py` wires the parts and says in which order they start and stop.
"""
