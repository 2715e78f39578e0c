"""Dialpad over its own API, REST v2, as a target."""
