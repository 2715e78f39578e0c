"""Makes what docs/architecture.md says: rooms from their docstrings, layers from the import contracts."""

import ast
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

from tools.docs.markdown import grid

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "gateway"


def layers() -> str:
    """Return the layers of the first import contract as a drawing, the outermost on top."""
    rows = [_boxes(rooms) for rooms in rooms_of(contracts()[0])]
    width = max(len(row[0]) for row in rows)
    drawn = [[line.center(width).rstrip() for line in row] for row in rows]
    arrow = "▼".center(width).rstrip()
    lines = chain.from_iterable([*row, arrow] for row in drawn)
    return "```text\n" + "\n".join([*lines][:-1]) + "\n```\n"


def streets() -> str:
    """Return the name of every import contract."""
    return "".join(f"- {contract['name']}\n" for contract in contracts())


def rooms() -> str:
    """Return every folder and module beside them, with what it says of itself."""
    paths = sorted(path for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists())
    inner = sorted(path for path in (PACKAGE / "targets").iterdir() if (path / "__init__.py").exists())
    modules = sorted(path for path in PACKAGE.glob("*.py") if not path.name.startswith("__"))
    table = [(f"{path.relative_to(PACKAGE)}/", path / "__init__.py") for path in [*paths, *inner]]
    table = sorted(table) + [(path.name, path) for path in modules]
    return grid(("room", "what it holds"), ((f"`{name}`", _says(path)) for name, path in table))


def contracts() -> Sequence[Mapping[str, Any]]:
    """Return the import contracts; the first is that of the layers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: Sequence[Mapping[str, Any]] = project["tool"]["importlinter"]["contracts"]
    return found


def rooms_of(contract: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield the rooms of each layer: those of one layer do not import one another."""
    for layer in contract["layers"]:
        yield [room.strip() for room in layer.split("|")]


def _boxes(names: Sequence[str]) -> tuple[str, str, str]:
    rules = ["─" * (len(name) + 2) for name in names]
    return (
        " ".join(f"┌{rule}┐" for rule in rules),
        " ".join(f"│ {name} │" for name in names),
        " ".join(f"└{rule}┘" for rule in rules),
    )


def _says(path: Path) -> str:
    """Return the first line of a module's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return said.partition("\n")[0].replace("|", r"\|")


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {"layers": layers, "streets": streets, "rooms": rooms}
