"""Pages about one target: whose data it refuses, how its provider is set up, what new rules would change."""
