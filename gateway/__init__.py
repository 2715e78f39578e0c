"""The SCIM gateway that people trust with their directory."""

from gateway.version import VERSION as __version__

__all__ = ["__version__"]
