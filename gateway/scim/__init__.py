"""RFC 7643 and 7644 on plain dicts. Pure."""
