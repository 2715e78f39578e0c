"""Programs that make parts of the project; nothing of it is installed."""
