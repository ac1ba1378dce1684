"""Views: what the operator knows of runs, events, executions and the time.

They are the four arguments of `engine.decide`. Watches, answers and workers tell them what
happened. They make one picture of it, in the order of the API server's revisions. Pure: no I/O, no
event loop; a clock is passed in.
"""
