"""Starts the gateway as a module: `python -m gateway serve`."""

from gateway.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
