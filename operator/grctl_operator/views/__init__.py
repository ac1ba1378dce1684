"""Views: what the operator knows of runs, events, executions and the time.

They are the four arguments of `engine.decide`. Watches, answers and workers notify them (`on_x`);
the reconciler asks them (`get_x`, `find_x`, `is_x`). Each is one picture of what happened, in the
order of the API server's revisions. Pure: no I/O, no event loop; clocks are passed in.
"""
