"""Tables of an SQL database as a target: the statements are made, or are the configuration's own."""
