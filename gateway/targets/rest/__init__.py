"""Any JSON service as a target, by what the configuration says of it."""
