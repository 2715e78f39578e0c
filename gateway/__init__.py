"""The SCIM gateway that people trust with their directory."""

__version__ = "0.1.0"
