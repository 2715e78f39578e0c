"""Requests in: routes, sign-in, limits, correlation id, error boundary."""
