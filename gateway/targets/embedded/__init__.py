"""A SCIM directory of our own, in an SQLite file."""
