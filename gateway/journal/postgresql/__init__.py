"""The journal in a PostgreSQL database, which several gateways share."""
