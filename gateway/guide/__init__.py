"""The set-up page of a target, for whoever sets up the provider. Pure."""
