"""What was decided is done: writes of events, finalizers, removals."""
