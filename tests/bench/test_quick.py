"""The way of `make bench-quick`, with as little measured as there can be."""

import subprocess
import sys

import pytest

from bench.processes import HOME

pytestmark = pytest.mark.long

LITTLE = ["--rounds", "1", "--seconds", "0.01", "--connections", "2"]


def bench(*arguments):
    words = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(words, cwd=HOME, capture_output=True, text=True, timeout=600, check=False)


def test_a_quick_bench_prints_a_table_with_every_case_and_start():
    told = bench("--quick", *LITTLE)

    assert told.returncode == 0, told.stderr
    first = [line.split(" | ")[0:2] for line in told.stdout.splitlines() if line.startswith("| ")]
    rows = {" ".join(cells).removeprefix("| ").removeprefix("scim ") for cells in first}
    assert {"create", "changed PUT", "unchanged PUT", "GET by id"} <= rows
    assert {"serve", "check", "explain", "status"} <= {row.split(" ")[0] for row in rows}


def test_a_case_that_does_not_exist_is_refused_by_name():
    told = bench("--quick", "--case", "creat")

    assert told.returncode == 2
    assert "no such name: creat" in told.stderr
