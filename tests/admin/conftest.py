"""What the flow's tests stand on, for what administrators do with it."""

from tests.flow.conftest import house

__all__ = ["house"]
