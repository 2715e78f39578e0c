"""What many measurements come to."""

import pytest

from bench.stats import middle, percentile, rounded


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [
        pytest.param([3.0], 0.5, 3.0, id="one value"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 0.5, 2.0, id="the lower of two in the middle"),
        pytest.param([float(n) for n in range(100, 0, -1)], 0.99, 99.0, id="p99 of a hundred"),
        pytest.param([1.0, 2.0, 3.0], 0.99, 3.0, id="p99 of few is the largest"),
        pytest.param([1.0, 2.0], 0.0, 1.0, id="none is the smallest"),
    ],
)
def test_a_percentile_is_one_of_the_values(values, part, expected):
    assert percentile(values, part) == expected


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(3268.71, 3269, id="whole from a thousand on"),
        pytest.param(165.4, 165, id="three digits"),
        pytest.param(50.62, 50.6, id="one place"),
        pytest.param(0.050512, 0.0505, id="leading zeros do not count"),
        pytest.param(0.0, 0, id="nothing"),
        pytest.param(-2.3456, -2.35, id="less than nothing"),
        pytest.param(float("inf"), 0, id="no number"),
    ],
)
def test_a_value_keeps_the_digits_that_count(value, expected):
    assert rounded(value) == expected


def test_one_slow_round_does_not_count():
    assert middle([1.0, 1.1, 90.0]) == 1.1
