"""What administrators do to a running gateway, and what they hear of it."""
