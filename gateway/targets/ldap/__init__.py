"""An LDAP directory as a target: what to say is pure, one thread for each connection carries it."""
