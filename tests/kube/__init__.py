"""Finding the API server, and speaking to it."""
