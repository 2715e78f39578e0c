"""Requests out: one connector for each kind of target."""
