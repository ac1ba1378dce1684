"""The kopf operator of grctl: `engine` decides, `runtime` does."""
