"""What is read and what is changed, step by step on one connection, which others begin and end."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.flow.target_port import (
    Attributes,
    Conflict,
    MemberUpdate,
    Missing,
    Refused,
    ResourceType,
    Unreachable,
    Update,
)
from gateway.scim.documents import fold, is_active
from gateway.scim.names import get
from gateway.targets.sql.rows import Element, Row, Written
from gateway.targets.sql.schema import shown
from gateway.targets.sql.statements import Statements

USER, GROUP = ResourceType.USER, ResourceType.GROUP
BATCH: Final = 500  # rows that are read at a time, and keys in one question


async def entries(
    own: Statements, asked: sql.Select[Any], connection: AsyncConnection, *, members: bool = False
) -> list[Attributes]:
    rows = (await connection.execute(asked)).mappings().all()
    return await completed(own, connection, rows, members=members)


async def completed(
    own: Statements, connection: AsyncConnection, rows: Sequence[Row], *, members: bool
) -> list[Attributes]:
    """Return rows as entries, with what of them stands in other tables."""
    keys = [row[own.spec.id] for row in rows]
    lists = {name: await _elements(own, name, keys, connection) for name in own.spec.lists}
    found = []
    for row in rows:
        key = row[own.spec.id]
        plain = {name: shown(value) for name, value in row.items()}
        found.append(own.form.shown(plain, {name: there.get(key, ()) for name, there in lists.items()}))
    if own.kind is GROUP and members and own.spec.members is not None:
        named = await _members(own, keys, connection)
        return [
            {**entry, "members": named[key]} if key in named else entry
            for entry, key in zip(found, keys, strict=True)
        ]
    return found


async def _elements(
    own: Statements, name: str, keys: Sequence[Any], connection: AsyncConnection
) -> dict[Any, list[Element]]:
    found: dict[Any, list[Element]] = {}
    for n in range(0, len(keys), BATCH):
        for one in await connection.execute(own.elements(name, list(keys[n : n + BATCH]))):
            element = Element(shown(one.type), str(shown(one.value)), one.primary)
            found.setdefault(one.owner, []).append(element)
    return found


async def _members(
    own: Statements, keys: Sequence[Any], connection: AsyncConnection
) -> dict[Any, list[dict[str, str]]]:
    found: dict[Any, list[dict[str, str]]] = {}
    for n in range(0, len(keys), BATCH):
        for group, member in await connection.execute(own.members(list(keys[n : n + BATCH]))):
            found.setdefault(group, []).append({"value": str(member)})
    return found


def without_members(entry: Attributes) -> Attributes:
    """Return a group without who is in it."""
    return {name: value for name, value in entry.items() if name != "members"}


async def create(
    own: Statements, wanted: Attributes, beside: frozenset[str], connection: AsyncConnection
) -> Attributes | None:
    values = own.values(wanted)
    if get(wanted, own.form.name) in (None, ""):
        raise Refused(f"{own.form.name} is missing", 400)
    await _refuse_taken(own, wanted, beside, connection)
    if (written := own.written.get("create")) is not None:
        key = await _called(own, written, wanted, values, None, connection)
        if key is None:
            key = await _key_of(own, wanted, connection)
    else:
        made = await connection.execute(own.insert(values))
        key = made.inserted_primary_key[0] if made.inserted_primary_key else None
    if own.table is not None:
        for name in own.spec.lists:
            for element in own.form.elements(name, wanted):
                await connection.execute(own.add_element(name, own.element_row(name, key, element)))
    found = await entries(own, own.select(own.has_key(key)), connection)
    return found[0] if found else None


async def _refuse_taken(
    own: Statements, wanted: Attributes, beside: frozenset[str], connection: AsyncConnection
) -> None:
    """Raise Conflict where somebody else has the name in any case, or the externalId."""
    if own.kind is not USER:
        return
    name, external_id = get(wanted, "userName"), get(wanted, "externalId")
    asked = own.taken(name, external_id)
    for entry in [] if asked is None else await entries(own, asked, connection):
        if entry["id"] in beside and entry.get("userName") is None:
            continue
        if name and fold(str(entry.get("userName", ""))) == fold(str(name)):
            raise Conflict("userName belongs to another row", 409)
        if external_id and entry.get("externalId") == external_id and entry["id"] not in beside:
            raise Conflict("externalId belongs to another row", 409)


async def alter(
    own: Statements, id: str, key: Any, update: Update, connection: AsyncConnection
) -> Attributes | None:
    row = (await connection.execute(own.locked(key))).mappings().first()
    if row is None or str(row[own.spec.id]) != id:
        raise Missing("there is no such row", 404)
    present, wanted = update.present, update.wanted
    if own.kind is USER and fold(str(get(wanted, "userName"))) != fold(str(get(present, "userName"))):
        await _refuse_taken(own, {"userName": get(wanted, "userName")}, frozenset({id}), connection)
    present = await _switched(own, key, update, connection)
    before, after = own.form.filled(present), own.values(wanted)
    was = own.form.filled(wanted)
    changed = {name: value for name, value in after.items() if before.get(name) != was[name]}
    if own.spec.id in changed:
        raise Refused(f"{own.form.attribute(own.spec.id)} is the key of its row, which never changes", 400)
    if (written := own.written.get("change")) is not None:
        if changed or _lists_differ(own, present, wanted):
            await _called(own, written, wanted, after, key, connection)
    elif changed or (own.spec.version and _lists_differ(own, present, wanted)):
        version = None if own.spec.version is None else row[own.spec.version]
        done = await connection.execute(own.update(key, changed, version))
        if done.rowcount == 0:
            raise Unreachable("its row was changed by somebody else meanwhile: nothing was changed")
    for name in own.spec.lists:
        await _change_elements(own, name, key, (present, wanted), connection)
    if update.members:
        await _change_members(own, key, update.members, connection)
    found = await entries(own, own.select(own.has_key(key)), connection)
    return found[0] if found else None


async def _switched(own: Statements, key: Any, update: Update, connection: AsyncConnection) -> Attributes:
    """Run what makes somebody inactive or active again; return what they are then, as far as that goes."""
    was, will = is_active(update.present), is_active(update.wanted)
    operation = "deactivate" if was and not will else "reactivate" if will and not was else ""
    if own.kind is not USER or operation not in own.written:
        return update.present
    values = own.values(update.wanted)
    await _called(own, own.written[operation], update.wanted, values, key, connection)
    return {**update.present, "active": will}


def _lists_differ(own: Statements, present: Attributes, wanted: Attributes) -> bool:
    return any(get(present, name) != get(wanted, name) for name in own.spec.lists)


async def _change_elements(
    own: Statements, name: str, key: Any, forms: tuple[Attributes, Attributes], connection: AsyncConnection
) -> None:
    """Make the rows of an attribute those that are wanted; those of others, and of other types, stay."""
    if own.table is None or get(forms[0], name) == get(forms[1], name):
        return
    before, after = (
        [own.element_row(name, key, one) for one in own.form.elements(name, form)] for form in forms
    )
    gone = [row for row in before if row not in after]
    found = await _elements(own, name, [key], connection)
    there = [own.element_row(name, key, one) for one in found.get(key, ())]
    kind = own.spec.lists[name].type
    for row in (row for row in after if row not in there):
        old = next((one for one in gone if kind is None or one[kind] == row[kind]), None)
        if old is not None:
            gone.remove(old)
            done = await connection.execute(own.change_element(name, old, row))
            if done.rowcount:
                continue
        await connection.execute(own.add_element(name, row))
    for row in gone:
        await connection.execute(own.remove_element(name, row))


async def _change_members(
    own: Statements, key: Any, update: MemberUpdate, connection: AsyncConnection
) -> None:
    """Put people into a group and take them out; who is so already stays as they are."""
    if own.spec.members is None:
        raise Refused("this target's groups have no members: sql.groups.members is not set")
    member = own.column(own.spec.members.member, own.spec.members.table)
    removes = [found for id in update.remove if (found := member.sought(id)) is not None]
    adds = [member.sought(str(one["value"])) for one in update.add]
    if None in adds:
        raise Refused("members: names somebody who cannot be there", 400)
    for written, people in (("remove", removes), ("add", adds)):
        if written in own.written:
            for person in people:
                await _called(own, own.written[written], {}, {}, key, connection, member=person)
            people.clear()
    table, spec = own.memberships(), own.spec.members
    for n in range(0, len(removes), BATCH):
        gone = table.c[spec.member].in_(removes[n : n + BATCH])
        await connection.execute(sql.delete(table).where(table.c[spec.group] == key, gone))
    for n in range(0, len(adds), BATCH):
        some = adds[n : n + BATCH]
        there = sql.select(table.c[spec.member]).where(
            table.c[spec.group] == key, table.c[spec.member].in_(some)
        )
        known = set((await connection.scalars(there)).all())
        rows = [{spec.group: key, spec.member: one} for one in dict.fromkeys(some) if one not in known]
        if rows:
            await connection.execute(sql.insert(table), rows)


async def delete(
    own: Statements, groups: Statements | None, id: str, key: Any, connection: AsyncConnection
) -> None:
    row = (await connection.execute(own.locked(key))).mappings().first()
    if row is None or str(row[own.spec.id]) != id:
        raise Missing("there is no such row", 404)
    if groups is not None and (spec := groups.spec.members) is not None and "delete" not in own.written:
        table = groups.memberships()
        person = groups.column(spec.member, spec.table).sought(id)
        await connection.execute(sql.delete(table).where(table.c[spec.member] == person))
    if (written := own.written.get("delete")) is not None:
        plain = {name: shown(value) for name, value in row.items()}
        await _called(own, written, own.form.shown(plain, {}), {}, key, connection)
        return
    for statement in own.delete(key):
        await connection.execute(statement)


async def _called(
    own: Statements,
    written: Written,
    form: Attributes,
    values: Mapping[str, Any],
    key: Any,
    connection: AsyncConnection,
    **more: Any,
) -> Any:
    """Run the statements of an operation; return the key in the first row of the last that has rows."""
    found = None
    told = {**form, "active": is_active(form)}
    for text, parameters in written.calls(told, values, key, **more):
        result = await connection.execute(sql.text(text), parameters)
        if result.returns_rows and (row := result.first()) is not None:
            found = row[0]
    return found


async def _key_of(own: Statements, wanted: Attributes, connection: AsyncConnection) -> Any:
    """Return the key of somebody who was made just now."""
    asked = own.taken(get(wanted, own.form.name), get(wanted, "externalId"))
    rows = [] if asked is None else (await connection.execute(asked)).mappings().all()
    if not rows:
        raise Refused("the statement `create` has made nobody who is found by their name")
    return rows[0][own.spec.id]
