"""A scim2-server as a target, and what it has to know so that it takes all that the presets send."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

TOKEN: Final = "a-token-for-tests-only"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WSOS: Final = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"
MORE: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {  # schema -> attribute -> what is in it
    USER: {"accounts": ("value", "type")},
    ENTERPRISE: {"officeName": (), "licenseType": ()},
    WSOS: {"name": ("familyNamePhonetic", "givenNamePhonetic"), "additionalInformation": ()},
}


@contextmanager
def scim2_servers(*options: str) -> Iterator[str]:
    """Run a scim2-server that makes a tenant of every path; yield its URL."""
    program = Path(sys.executable).parent / "scim2-server"
    if not program.exists():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("scim2-server is not installed: pip install scim2-server")
    port = free_port()
    arguments = ["--port", str(port), "--bearer-token", TOKEN, "--dynamic-tenants", *options]
    with subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving SCIM")
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def furnish(folder: Path) -> list[str]:
    """Write the standard's schemas and the presets' to the folder; return the options that name them."""
    schemas = {schema["id"]: schema for schema in _standard("default-schemas.json")}
    schemas[WSOS] = {"id": WSOS, "name": "WorkstyleOS", "attributes": []}
    for schema, attributes in MORE.items():
        schemas[schema]["attributes"] += [_attribute(name, subs) for name, subs in attributes.items()]
    types = _standard("default-resource-types.json")
    types[0]["schemaExtensions"].append({"schema": WSOS, "required": False})
    options = []
    for option, documents in (("schema", list(schemas.values())), ("resource-type", types)):
        file = folder / f"{option}.json"
        file.write_text(json.dumps(documents))
        options += [f"--{option}", str(file)]
    return options


def _attribute(name: str, subs: tuple[str, ...] = ()) -> dict[str, Any]:
    whole = {"name": name, "type": "string", "multiValued": False, "mutability": "readWrite"}
    if not subs:
        return whole
    is_list = name == "accounts"
    return whole | {"type": "complex", "multiValued": is_list, "subAttributes": list(map(_attribute, subs))}


def _standard(name: str) -> Any:
    return json.loads((files("scim2_server") / "resources" / name).read_text())
