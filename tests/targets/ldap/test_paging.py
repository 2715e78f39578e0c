"""What is remembered between two calls."""

from gateway.targets.ldap import paging
from gateway.targets.ldap.paging import LASTS, LISTS, PLACES, PagingState, Places


def test_a_long_list_is_kept_while_somebody_reads_it():
    clock = [0.0]
    kept = PagingState(lambda: clock[0])
    walk = kept.keep("(a=1)", ["dc=x"])

    for clock[0] in (LASTS, 2 * LASTS):
        assert kept.recall("(a=1)") is walk
    clock[0] = 3 * LASTS + 1
    assert kept.recall("(a=1)") is None


def test_a_list_that_nobody_reads_any_more_takes_no_memory():
    clock = [0.0]
    kept = PagingState(lambda: clock[0])
    kept.keep("(a=1)", ["dc=x"])
    clock[0] = LASTS + 1
    kept.keep("(a=2)", ["dc=x"])

    assert list(kept._kept) == ["(a=2)"]


def test_only_the_lists_read_last_are_kept():
    clock = [0.0]
    kept = PagingState(lambda: clock[0])
    for n in range(LISTS + 1):
        clock[0] += 1
        kept.keep(str(n), [])
        kept.recall("0")

    assert [kept.recall(str(n)) is not None for n in range(3)] == [True, False, True]


def test_places_are_remembered_up_to_a_number(monkeypatch):
    monkeypatch.setattr(paging, "PLACES", 2)
    places = Places()
    for id in ("a", "b", "a", "c"):
        places.note(id, f"uid={id}")

    assert [places.recall(id) for id in ("a", "b", "c")] == ["uid=a", None, "uid=c"]
    assert PLACES == 10_000
