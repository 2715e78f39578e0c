"""The statements for members of groups, as functions on a connection."""

import sqlite3

import orjson

from gateway.flow.target_port import Attributes, MemberUpdate


def change_members(connection: sqlite3.Connection, group: int, update: MemberUpdate) -> None:
    """Add and remove members of the entry `group`; who is there already stays as they are."""
    connection.executemany(
        "DELETE FROM member WHERE entry = ? AND value = ?", [(group, value) for value in update.remove]
    )
    connection.executemany(
        "INSERT OR IGNORE INTO member (entry, value, element) VALUES (?, ?, ?)",
        [(group, element["value"], orjson.dumps(element).decode()) for element in update.add],
    )


def with_members(connection: sqlite3.Connection, group: int, document: Attributes) -> Attributes:
    """Return a group's document with its members, where it has any."""
    rows = connection.execute("SELECT element FROM member WHERE entry = ? ORDER BY seq", (group,))
    members = [orjson.loads(element) for (element,) in rows]
    return {**document, "members": members} if members else document


def forget_member(connection: sqlite3.Connection, entry: int, id: str) -> None:
    """Take an entry that goes out of all groups, and all members out of it."""
    connection.execute("DELETE FROM member WHERE value = ? OR entry = ?", (id, entry))


def without_members(document: Attributes) -> Attributes:
    """Return a document without members: those have rows of their own."""
    return {name: value for name, value in document.items() if name.casefold() != "members"}
