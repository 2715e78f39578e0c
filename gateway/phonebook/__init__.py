"""A phone book: who is in it, in which order, who has a number, and how each kind of phone reads it. Pure."""
