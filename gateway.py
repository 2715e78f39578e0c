"""Starts the gateway from a checkout: `python gateway.py serve`."""

from gateway.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
