"""Tests of finding the API server, and of requests to it."""
