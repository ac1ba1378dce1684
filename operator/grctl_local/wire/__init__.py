"""HTTP: requests in, answers out, and the documents that describe the API."""
