"""Per-target rules: transforms, rules, reverse, explain. Pure."""
