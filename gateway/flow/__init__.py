"""The way of a change: change.py on one screen; what it decides is pure, beside it."""
