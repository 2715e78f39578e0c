"""What a look at a target finds: for `check --online`. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a target can or cannot do; no value of a person is in it."""

    about: str  # a word: people, look-ups, paging, groups, changes, base
    says: str
    fix: str = ""  # what an administrator may do about it; "" where all is well
