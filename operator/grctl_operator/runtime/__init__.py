"""The operator's I/O: watches, writes and workers' connections. The rules are in `engine`.

Data flows one way: `watch` -> `work_queue` -> `reconcile`, which asks the engine -> `write` and
`workers`. `leader` says whether this process may write at all, `people` shows what it does.
`operator` wires the parts and says in which order they start and stop.
"""
