"""Every example runs, and holds the guide's code word for word."""
