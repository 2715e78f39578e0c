"""What may be written below [targets.NAME], and in presets: one model a table. Pure."""

from typing import Any

from pydantic import Field

from gateway.mapping.rules import OnInvalid, Unlisted
from gateway.settings.fields import (
    AdoptKey,
    AuditLevel,
    BusyStatus,
    OnDeactivate,
    OnMissing,
    PatchWay,
    Rate,
    Region,
    RemovalLimit,
    ReuseName,
    ScopeFilter,
    Seconds,
    SomeSeconds,
    TextFilter,
)
from gateway.settings.tables import Positive, SomeText, Table


class RestTable(Table):
    """[targets.NAME.rest]"""

    users: Any = Field(default=None, description="How people are reached.")
    groups: Any = Field(default=None, description="How groups are reached; without it the target has none.")
    errors: Any = Field(default=None, description="How the target says what went wrong.")


class RestActiveTable(Table):
    """active"""

    yes: Any = Field(description="What stands for an active person.")
    no: Any = Field(description="What stands for an inactive one.")


class RestErrorsTable(Table):
    """[targets.NAME.rest.errors]"""

    code: Any = Field(
        default=None,
        description="Where an answer of any status says that something went wrong: whatever stands there is "
        "an error, unless it is among `ok`; without the key, an `error` or `errors` with anything in it is "
        "one, and so is a `success` or `ok` that is false.",
    )
    reason: Any = Field(default=None, description="Where it says that for people to read.")
    ok: list[Any] = Field(default=[], description="What at `code` means that all is well.")
    exists: list[Any] = Field(
        default=[],
        description="Statuses, and codes, that mean that there is such an entry already; 409 is one.",
    )
    absent: list[Any] = Field(
        default=[], description="Those that mean that there is no such entry; 404 and 410 are."
    )
    busy: list[Any] = Field(default=[], description="Those that mean that it is to be tried later; 429 is.")
    refused: list[Any] = Field(
        default=[], description="Those that mean that the data are at fault; any other 4xx is."
    )
    denied: list[Any] = Field(
        default=[], description="Those that mean that the credentials are at fault; 401 and 403 are."
    )


class OfficeTable(Table):
    """[targets.NAME.offices] KEY"""

    name: SomeText = Field(description="The office's name as the target spells it.")
    country: Region | None = Field(
        default=None,
        description="The office's country, which its people's national phone numbers belong to where "
        "they name no country themselves.",
    )


class ScopeTable(Table):
    """[targets.NAME.scope]"""

    people: ScopeFilter | None = Field(
        default=None,
        description="Matches the people, as the provider sent them, who are to be on the target.",
    )
    groups: ScopeFilter | None = Field(
        default=None, description="Matches the groups, without their members, that are to be on the target."
    )


class RuleTable(Table):
    """[[targets.NAME.rules]]"""

    to: str = Field(default="", description="Where on the target the value goes.")
    from_: Any = Field(
        default=None,
        alias="from",
        description="Where at the provider the value comes from: the first path that is present "
        "wins; unless you say, the same path as `to`.",
    )
    via: list[Any] = Field(
        default=[], description="The transforms that the value goes through, in this order."
    )
    when: TextFilter | None = Field(
        default=None,
        description="Applies the rule only to people, as the provider sent them, that the filter matches, "
        "and then instead of the rule with the same `to` that has none.",
    )
    default: Any = Field(
        default=None,
        description="What is sent where the provider has nothing at any path of `from`; the "
        "transforms do not touch it.",
    )
    on_invalid: OnInvalid = Field(
        default=OnInvalid.REJECT,
        strict=False,  # TOML has texts
        description="What becomes of a value that a transform cannot use: `reject` refuses the "
        "change, `drop` leaves the target without it, `keep` sends it as it came; nobody "
        "who leaves is ever refused.",
    )
    off: bool = Field(
        default=False, description="Takes away the preset's rule with the same `to` and `when`."
    )


class RuleTestTable(Table):
    """[[targets.NAME.tests]]"""

    name: str = Field(default="", description="What the test shows, in a sentence.")
    input: dict[str, Any] = Field(description="The person as the provider sends them, to be created.")
    form: dict[str, Any] | None = Field(
        default=None,
        description="All that the target gets of them, without `schemas`, and without `active` where neither "
        "says it; empty where nothing is sent as they are out of scope.",
    )
    held: list[SomeText] | None = Field(
        default=None, description="The paths that are kept and not sent, all of them."
    )
    dropped: list[SomeText] | None = Field(
        default=None, description="The paths that are left out, all of them."
    )
    problems: list[SomeText] | None = Field(
        default=None,
        description="The paths for which they are refused, all of them; without it they are not.",
    )


class PresetRuleTable(RuleTable):
    """[[rules]] of a preset"""

    if_option: dict[str, str] = Field(
        default={}, description="Applies the rule only where these options of the preset have these values."
    )


class TargetTable(Table):
    """[targets.NAME]"""

    preset: str | None = Field(
        default=None,
        description="The known target whose rules and habits this one begins with; `dialpad@1` pins "
        "their revision.",
    )
    connector: str | None = Field(
        default=None,
        description="How the target is reached: `embedded` is a SCIM directory in an SQLite file of "
        "the gateway, `scim` any SCIM 2.0 service, `ldap` an LDAP directory, `rest` any JSON service that "
        "its table `rest` describes, `sql` tables of a database, `dialpad` Dialpad's own API; a preset may "
        "say it.",
    )
    url: str | None = Field(
        default=None,
        description="Where the target is: for `scim` its base address without `/Users`, for "
        "`embedded` a file, for `ldap` the server, for `rest` what the paths of its requests are below, for "
        "`sql` the server and the database, for `dialpad` the server without `/api/v2`; a preset may say it.",
    )
    auth: dict[str, Any] | None = Field(
        default=None, description="How calls to the target are signed; without it they carry no credentials."
    )
    rules: list[Any] = Field(
        default=[],
        description="What is done to a person before the target gets them; beside the preset's "
        "rules, where the same `to` and `when` replaces one.",
    )
    tests: list[Any] = Field(
        default=[], description="What people are expected to become on the target, for the command `test`."
    )
    entitlements: list[Any] = Field(
        default=[],
        description="What people may be entitled to on the target, for the provider to offer and for their "
        "`roles` and `entitlements` to be checked against.",
    )
    offices: dict[str, Any] = Field(
        default={},
        description="The offices, as the provider says them, with their names at the target, for the "
        "transform `office` and for phone numbers.",
    )
    options: dict[str, Any] = Field(default={}, description="What the preset lets you choose.")
    ldap: dict[str, Any] | None = Field(
        default=None,
        description="Where in a directory people and groups are, for the connector `ldap`; over what the "
        "preset says, key by key.",
    )
    rest: dict[str, Any] | None = Field(
        default=None,
        description="How a JSON service is reached, for the connector `rest`; over what the preset says, key "
        "by key.",
    )
    sql: dict[str, Any] | None = Field(
        default=None,
        description="In which tables of a database people and groups are, for the connector `sql`; over what "
        "the preset says, key by key.",
    )
    region: Region | None = Field(
        default=None,
        description="The country whose national phone numbers are meant where neither the person's "
        "country nor their office says it.",
    )
    unlisted: Unlisted | None = Field(
        default=None,
        strict=False,
        description="What becomes of an attribute that no rule names: `send` passes it on, `hold` "
        "keeps it for reads and never sends it, `drop` forgets it; with a preset the "
        "default is `hold`.",
    )
    require: list[Any] = Field(
        default=[],
        description="What an active person must have on the target or is refused; of an inner list "
        "one will do; instead of what the preset requires.",
    )
    on_deactivate: OnDeactivate | None = Field(
        default=None,
        description="Whether somebody deactivated is sent as inactive or deleted from the target.",
    )
    on_missing: OnMissing | None = Field(
        default=None,
        description="Whether an entry that vanished from the target is made again at the next change "
        "of that person, or the change is answered 404.",
    )
    adopt_by: list[AdoptKey] | None = Field(
        default=None,
        description="By which of these an entry that the target already has is taken for the same "
        "person; one found otherwise is answered 409.",
    )
    reuse_name: ReuseName | None = Field(
        default=None,
        description="Whether a new person with another externalId may take the userName of somebody "
        "inactive, or is answered 409.",
    )
    protect: TextFilter | None = Field(
        default=None,
        description="Matches the target's entries that the gateway never shows or touches, such as "
        "its administrators.",
    )
    scope: dict[str, Any] | None = Field(
        default=None,
        description="Which people and groups the target is to have: who does not match is not sent there, or "
        "leaves it as who is deactivated does, and the provider hears success.",
    )
    shared: bool | None = Field(
        default=None,
        description="Lets more than one provider write this target, each of which may undo what the "
        "other did.",
    )
    unique_names: bool | None = Field(
        default=None,
        description="Says that the target refuses a second entry of one userName with 409; `false` "
        "looks a person up before each create.",
    )
    trust: Seconds | None = Field(
        default=None,
        description="How old a look at the entry may be for a change to start from it without "
        "another, and how long after a change what was told counts where reads lag behind; 0 looks each time "
        "and believes what it sees.",
    )
    timeout: SomeSeconds | None = Field(
        default=None, description="How long one attempt at a target over HTTP may take."
    )
    deadline: SomeSeconds | None = Field(
        default=None,
        description="How long a request may take with all its waits and attempts before the provider "
        "is told to come again: no call to the target begins later than `timeout` before that, or than half "
        "of it where `timeout` is longer, and one that is under way then is given up. "
        "Okta waits for 60 seconds.",
    )
    settle: Seconds | None = Field(
        default=None,
        description="How long a request that got no answer may still take effect; so long is waited "
        "before the target is asked what became of it; unless you say, as long as "
        "`timeout`.",
    )
    give_up: SomeSeconds | None = Field(
        default=None,
        description="How long a change that is in doubt is tried again which the target, though it answers, "
        "refuses in itself; then it is dead until an administrator or the next start has it tried again. "
        "A target that does not answer never makes a change dead, and somebody who leaves never is.",
    )
    rate: Rate | None = Field(
        default=None,
        description="How many calls the target gets at most, evenly spaced; unless you say, no limit.",
    )
    concurrency: Positive | None = Field(
        default=None,
        description="How many calls the target gets at one time; four times as many, but 64 to 256, wait for "
        "their turn: deactivations first, then other changes, reads, and runs over many people. Who comes "
        "beyond that is told at once to come again. Unless you say, 64, 4 for `ldap`, and 8 for `sql`.",
    )
    busy_status: BusyStatus | None = Field(
        default=None,
        description="The HTTP status that tells the provider to come again later; unless you say, "
        "what its dialect understands: 429 for `okta`, else 503.",
    )
    patch: PatchWay | None = Field(
        default=None,
        description="Whether changes go to a `scim` target as PATCH, else as PUT; `single` is PATCH with one "
        "attribute at a time; unless you say, it is asked once what it supports.",
    )
    filter: bool | None = Field(
        default=None,
        description="Whether a `scim` target is asked with filters; `false` evaluates them here over all "
        "its pages; unless you say, it is asked once what it supports.",
    )
    totals: bool | None = Field(
        default=None,
        description="Whether the totalResults of a `scim` target are believed; `false` reads its pages "
        "until one is empty; unless you say, what it answers is looked at.",
    )
    groups: bool | None = Field(
        default=None,
        description="Whether a `scim` target has groups; unless you say, it is asked once; a preset may "
        "say it.",
    )
    members: bool | None = Field(
        default=None,
        description="Whether the groups of a `scim` or `rest` target show who is in them; unless you say, "
        "those of `rest` do, and those of `scim` once one of them has.",
    )
    page_size: Positive | None = Field(
        default=None,
        description="How many entries are asked of the target at a time, and a provider gets on one "
        "page, of which 1000 is the most; unless you say, 100.",
    )
    max_removals: RemovalLimit | None = Field(
        default=None,
        description="How many people may go from active to removed or deactivated within that time "
        "before all further ones are held until `operations release`; unless you say, 50 "
        "an hour, and no limit for `embedded`; `false` is no limit.",
    )
    audit: AuditLevel | None = Field(
        default=None,
        description="What the audit trail keeps of people's values: `full` all of them, `masked` enough to "
        "recognise one, `hashed` a keyed digest, the same for the same value.",
    )


class PresetTable(TargetTable):
    """A file of gateway/presets."""

    revision: Positive = Field(description="The revision of the preset's rules, which `NAME@REVISION` pins.")
    options: dict[str, list[str]] = Field(
        default={},
        description="What a configuration may choose in its own `options`: each with its allowed "
        "values, the default first.",
    )
    guide: dict[str, Any] = Field(
        default={},
        description="What `guide` tells people beside the rules: steps at the target, names of attributes, "
        "what is mapped to them.",
    )
