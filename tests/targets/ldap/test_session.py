"""A connection whose directory says what slapd never does."""

import ldap
import pytest
from ldap.controls.libldap import SimplePagedResultsControl

from gateway.address import Directory
from gateway.flow.target_port import Denied, Missing, Refused, Silent, Unreachable
from gateway.targets.ldap.paging import Listing
from gateway.targets.ldap.session import IDLE, LEAST, Session, undone
from gateway.targets.ldap.sign_in import SignIn, connected
from tests.support.ldap import USER, WRITER


class Strict:
    """A connection to a group that holds `a`, without permissive changes; `says` comes first."""

    def __init__(self, *says: type[ldap.LDAPError]) -> None:
        self.says = list(says)
        self.members = {b"a"}

    def modify_ext(self, dn, modifications, controls):
        if self.says:
            return None
        for kind, _, (value, *more) in modifications:
            if (value in self.members) is (kind == ldap.MOD_ADD):
                return [ldap.NO_SUCH_ATTRIBUTE, ldap.TYPE_OR_VALUE_EXISTS][kind == ldap.MOD_ADD]
            assert not more or len(modifications) == 1
        for kind, _, values in modifications:
            self.members = self.members | set(values) if kind == ldap.MOD_ADD else self.members - set(values)
        return None

    def delete_ext(self, dn):
        return None

    def search_ext(self, *asked, serverctrls):
        return None

    def result3(self, said, all, timeout):
        if said or self.says:
            raise said or self.says.pop(0)
        return None, [("cn=x", {"cn": [b"x"]}), (None, ["ldap://elsewhere"])], None, []

    def unbind_ext_s(self):
        self.says.append(ldap.SERVER_DOWN)


def session(*says: type[ldap.LDAPError]) -> tuple[Session, Strict]:
    found, connection = Session(SignIn("ldap://127.0.0.1:1", Directory("dc=x"))), Strict(*says)
    found.begin()
    found._connection = connection
    return found, connection


def test_members_come_and_go_where_what_is_so_already_is_an_error():
    found, connection = session()

    found.amend("cn=x", [(ldap.MOD_ADD, "member", [b"a"]), (ldap.MOD_DELETE, "member", [b"b"])])
    found.amend("cn=x", [(ldap.MOD_ADD, "member", [b"a", b"b"])])
    found.amend("cn=x", [(ldap.MOD_DELETE, "member", [b"a"])])

    assert connection.members == {b"b"}


@pytest.mark.parametrize(
    ("says", "error"),
    [
        pytest.param([ldap.INSUFFICIENT_ACCESS], Denied, id="at once"),
        pytest.param([ldap.TYPE_OR_VALUE_EXISTS, ldap.UNWILLING_TO_PERFORM], Refused, id="one by one"),
    ],
)
def test_what_else_is_said_of_members_is_an_error(says, error):
    found, _ = session(*says)

    with pytest.raises(error):
        found.amend("cn=x", [(ldap.MOD_ADD, "member", [b"b"])])


def test_a_link_that_active_directory_has_already_is_no_error():
    found, _ = session(ldap.ALREADY_EXISTS, ldap.ALREADY_EXISTS)

    found.amend("cn=x", [(ldap.MOD_ADD, "member", [b"b"])])


def test_what_is_not_removed_and_still_there_is_an_error():
    found, _ = session(ldap.UNWILLING_TO_PERFORM, ldap.UNWILLING_TO_PERFORM)

    with pytest.raises(Refused):
        found.amend("cn=x", [(ldap.MOD_DELETE, "member", [b"b"])])


def test_a_referral_is_no_entry():
    found, _ = session()

    assert [raw.dn for raw in found.find("dc=x", "(a=b)", ["cn"])] == ["cn=x"]


def test_a_search_that_goes_on_is_not_begun_anew_on_another_connection():
    found, connection = session()
    list(found.pages("dc=x", "(a=b)", ["cn"]))
    connection.says.append(ldap.SERVER_DOWN)

    with pytest.raises(Silent):
        found.find("dc=x", "(a=b)", ["cn"])


def test_a_connection_that_broke_while_nobody_used_it_is_opened_again():
    found, _ = session(ldap.SERVER_DOWN)

    with pytest.raises(Unreachable):  # nobody listens there
        found.find("dc=x", "(a=b)", ["cn"])


@pytest.mark.parametrize("says", [ldap.BUSY, ldap.INSUFFICIENT_ACCESS])
def test_an_entry_that_cannot_be_read_back_leaves_a_change_in_doubt(says):
    found, _ = session(says)

    with pytest.raises(Silent) as caught:
        _listing().reread(found, "cn=x")
    assert caught.value.maybe_applied


def test_an_entry_that_is_not_where_it_was_written_leaves_a_change_in_doubt():
    found, _ = session(ldap.NO_SUCH_OBJECT)

    with pytest.raises(Silent):
        _listing().reread(found, "cn=x")


def test_an_entry_that_goes_between_look_and_change_is_missing():
    found, _ = session(ldap.NO_SUCH_OBJECT)

    with pytest.raises(Missing):
        found.delete("cn=x")


def test_a_name_that_is_no_unicode_is_refused():
    found, connection = session()
    connection.delete_ext = lambda dn: dn.encode()

    with pytest.raises(Refused, match="Unicode"):
        found.delete("cn=\ud800")


def _listing() -> Listing:
    return Listing(USER, "dc=x", "(a=b)", "cn", ("cn",), None)


def test_a_connection_that_was_idle_for_long_is_left():
    clock = [0.0]
    found = Session(SignIn("ldap://127.0.0.1:1", Directory("dc=x")), lambda: clock[0])
    found.begin()
    found._connection = kept = Strict()
    for clock[0] in (IDLE, 2 * IDLE):
        found.begin()
        assert found._connection is kept

    clock[0] += IDLE + 1
    found.begin()
    assert found._connection is None


@pytest.mark.parametrize(
    ("work", "error"),
    [
        pytest.param(lambda session: session.find("dc=x", "(a=b)", ["cn"]), Unreachable, id="a look"),
        pytest.param(lambda session: session.delete("cn=x"), Silent, id="a change"),
    ],
)
def test_only_what_fails_after_something_was_sent_is_in_doubt(work, error):
    found, _ = session(ldap.TIMEOUT)

    with pytest.raises(error):
        undone(work)(found)


class Paged(Strict):
    """A connection to a long list, each page of which takes its time."""

    def __init__(self, clock: list[float], pages: int) -> None:
        super().__init__()
        self._clock, self._pages = clock, pages
        self.waited: list[float] = []  # how long each page was waited for at most

    def result3(self, said, all, timeout):
        self.waited.append(timeout)
        self._clock[0] += 6.0
        self._pages -= 1
        cookie = SimplePagedResultsControl(True, 500, b"more" if self._pages else b"")
        return None, [(f"cn={self._pages}", {})], None, [cookie]


def test_each_page_of_a_long_list_has_the_time_of_an_attempt():
    clock = [0.0]
    found, connection = (
        Session(SignIn("ldap://127.0.0.1:1", Directory("dc=x")), lambda: clock[0]),
        Paged(clock, 4),
    )
    found.begin()
    found._connection = connection

    dns = _listing()._all(found, "(a=b)")

    assert dns == ["cn=0", "cn=1", "cn=2", "cn=3"]
    assert connection.waited == [10.0] * 4


def test_all_calls_of_an_attempt_have_its_time_together():
    clock = [0.0]
    found = Session(SignIn("ldap://127.0.0.1:1", Directory("dc=x")), lambda: clock[0])
    found.begin()
    found._connection = connection = Paged(clock, 9)

    for _ in range(3):
        found.delete("cn=x")

    assert connection.waited == [10.0, 4.0, LEAST]


def test_a_directory_is_asked_nothing_that_the_systems_settings_say(slapd_server, monkeypatch):
    for name in ("REFERRALS", "DEREF", "SIZELIMIT", "TIMELIMIT"):
        monkeypatch.setenv(f"LDAP{name}", {"REFERRALS": "on", "DEREF": "always"}.get(name, "1"))

    connection = connected(SignIn(slapd_server.url, slapd_server.room(), WRITER), 5.0)

    options = (ldap.OPT_REFERRALS, ldap.OPT_DEREF, ldap.OPT_SIZELIMIT, ldap.OPT_TIMELIMIT)
    assert [connection.get_option(option) for option in options] == [0, ldap.DEREF_NEVER, 0, 0]
    connection.unbind_s()
