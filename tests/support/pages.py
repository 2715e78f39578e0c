"""Markdown pages as tests read them."""

import re


def cells(text: str) -> list[list[str]]:
    """Return the rows of all tables, their cells without the marks of code."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def section(text: str, heading: str) -> str:
    """Return what stands below a heading."""
    return text.partition(f" {heading}\n")[2].partition("\n## ")[0]
