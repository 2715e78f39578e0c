"""Any SCIM 2.0 service as a target."""
