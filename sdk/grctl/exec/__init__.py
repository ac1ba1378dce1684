"""The first grctl's package of what a worker runs, for an error that says what to use instead."""
