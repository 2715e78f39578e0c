"""What is said of an erasure, and what never is."""

from gateway.admin.acts import Erased, Kept, erase_person

KEPT = (Kept("phonebook", "the person is active there"),)


class Files:
    """Where a person is found as it is said."""

    def __init__(self, erased):
        self.erased, self.asked, self.told = erased, [], []

    async def erase(self, name, tell):
        self.asked.append(name)
        self.told.append(tell(self.erased))
        return self.erased


async def test_an_erasure_leaves_an_event_without_the_name():
    files = Files(Erased("d1gest", (3, 17), 1, ("phonebook",)))

    assert await erase_person(files, "ann@example.com", "e-1") == files.erased
    (event,) = files.told
    assert (files.asked, event.id) == (["ann@example.com"], "e-1")
    assert event.fields["event"] == "erase"
    assert event.fields["subject"] == "d1gest"
    assert event.fields["erased"] == {"events": [3, 17], "originals": ["phonebook"]}
    assert event.fields["outcome"]["reason"] == "values of 2 events and 1 originals removed"
    assert "ann" not in str(event)


def test_what_had_to_stay_is_nothing_removed():
    assert not Erased("d1gest", kept=KEPT).is_anything
    assert Erased("d1gest", events=(1,)).is_anything
    assert Erased("d1gest", originals=("phonebook",)).is_anything
