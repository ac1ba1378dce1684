"""HTTP endpoints that our processes serve: probes, metrics, and who may ask."""
