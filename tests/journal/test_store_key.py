"""The key of hashed levels."""

import pytest

from gateway.errors import JournalUnavailable
from gateway.journal.store import load_key


def test_a_key_is_made_once_for_its_owner_alone(tmp_path):
    file = tmp_path / "var" / "audit.key"

    key = load_key(file)
    assert (len(key), load_key(file)) == (64, key)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_there_is_used_without_its_line_break(tmp_path):
    file = tmp_path / "audit.key"
    file.write_text("k" * 32 + "\n")

    assert load_key(file) == b"k" * 32


@pytest.mark.parametrize("content", ["", "short\n"])
def test_a_key_that_could_be_guessed_is_refused(tmp_path, content):
    file = tmp_path / "audit.key"
    file.write_text(content)

    with pytest.raises(JournalUnavailable, match="must have 32 characters"):
        load_key(file)


def test_a_key_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(JournalUnavailable, match="cannot be read: Is a directory"):
        load_key(tmp_path)
