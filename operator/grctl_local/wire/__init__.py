"""HTTP: read requests, write answers, and serve the documents that describe the API."""
