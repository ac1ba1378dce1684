"""HTTP endpoints that our processes serve: probes, metrics, and access to them."""
