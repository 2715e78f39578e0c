"""What many measurements come to. Pure."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

DIGITS: Final = 3


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest of the values that `part` of them (0 to 1) do not exceed; raises ValueError."""
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[max(math.ceil(part * len(values)), 1) - 1]


def rounded(value: float, digits: int = DIGITS) -> float:
    """Return a value with that many digits that count, whole numbers whole."""
    if value == 0 or not math.isfinite(value):
        return 0
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return round(value, places) if places > 0 else round(value)


def middle(values: Sequence[float]) -> float:
    """Return the median, rounded."""
    return rounded(median(values))
