"""Durable, event-driven workflows in Python, run by Kubernetes."""
