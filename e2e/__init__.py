"""End-to-end tests: scenarios on a real cluster, in real pods."""
