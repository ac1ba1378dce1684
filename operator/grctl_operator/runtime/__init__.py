"""The operator's I/O: what is watched, what is written, who is connected. No rules: see `engine`.

Data flows one way: `watch` -> `work_queue` -> `reconcile`, which asks the engine -> `write` and
`workers`. `leader` says whether this process may write at all, `people` shows what it does.
`operator` wires the parts and says in which order they start and stop.
"""
