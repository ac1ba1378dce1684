"""What the API server has, as two ordered streams of each namespace show it: the caches."""
