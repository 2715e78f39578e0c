"""What must survive: operations, originals and links, the audit trail."""
