"""The disk that takes its time."""

import os
import shutil
import subprocess
import sys

import pytest

from bench.storage import slow_disk

FLUSH = """
import os, sys, time
with open(sys.argv[1], "w") as file:
    begun = time.monotonic()
    getattr(os, sys.argv[2])(file.fileno())
    print(time.monotonic() - begun)
"""


@pytest.mark.skipif(
    shutil.which("gcc") is None and "CI" not in os.environ, reason="no gcc: apt-get install gcc"
)
@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_flush_takes_as_long_as_it_is_told(tmp_path, call):
    env = {**os.environ, "LD_PRELOAD": str(slow_disk(tmp_path)), "FLUSH_MS": "40"}
    words = [sys.executable, "-S", "-c", FLUSH, str(tmp_path / "file"), call]

    told = subprocess.run(words, env=env, capture_output=True, text=True, check=True, timeout=60)

    assert float(told.stdout) >= 0.04
