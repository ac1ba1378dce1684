"""The Lease: which of several operators decides and writes."""
