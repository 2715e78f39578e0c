"""One event of the audit trail, from its making to the question it answers. Pure."""
