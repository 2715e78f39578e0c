"""Which DN a person has: by the template, among the inactive, or where they have always stood. Pure."""

from gateway.flow.target_port import Attributes, Refused, Update
from gateway.scim.documents import is_active
from gateway.targets.ldap.dn import Rdn, escaped, fitting, normal, parent_of, rdn_of, rendered, split
from gateway.targets.ldap.entries import Raw, Written, named_anew
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.layout import Directory


class Naming:
    """The DNs of one directory's people."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._moves = habit_of(directory).moves

    def place(self, form: Attributes) -> str:
        """Return the DN that a person has by the template, or among the inactive."""
        dn = self._rendered(self._directory.dn, form)
        return f"{split(dn)[0]},{self._parent(form)}" if self._is_put_away(form) else dn

    def _parent(self, form: Attributes) -> str:
        """Return where a person stands by the template, or among the inactive."""
        if self._is_put_away(form):
            return self._directory.inactive_base or ""
        return self._rendered(self._directory.dn.partition(",")[2], form)

    def _is_put_away(self, form: Attributes) -> bool:
        return self._moves and not is_active(form)

    def _rendered(self, template: str, form: Attributes) -> str:
        return rendered(template, form, {"base": self._directory.base})

    def new_dn(self, raw: Raw, update: Update, attributes: Written) -> str:
        """Return the DN that an entry shall have; one that stands elsewhere than the template says stays."""
        rdn = rdn_of(raw.dn)
        if rdn is None:
            return raw.dn
        value, parent = self._new_name(rdn, update, attributes), self._new_parent(raw, update)
        if value == rdn[1] and parent == parent_of(raw.dn):
            return raw.dn
        return fitting(f"{rdn[0]}={escaped(value)},{parent}")

    def _new_name(self, rdn: Rdn, update: Update, attributes: Written) -> str:
        """Return what names an entry: its attribute, or the template where it said so before."""
        value = named_anew(rdn, attributes)
        template = self._directory.dn.partition(",")[0]
        before = rdn_of(self._rendered(template, update.present))
        if value != rdn[1] or before is None or _folded(before) != _folded(rdn):
            return value
        after = rdn_of(self._rendered(template, update.wanted))
        return after[1] if after is not None else value

    def _new_parent(self, raw: Raw, update: Update) -> str:
        """Return where an entry shall stand: elsewhere only where the change says so."""
        here = parent_of(raw.dn)
        if self._is_put_away(update.present) != self._is_put_away(update.wanted):
            return self._parent(update.wanted)
        try:
            before = self._parent(update.present)
        except Refused:  # it was not placed by this template
            return here
        after = self._parent(update.wanted)
        return here if normal(before) == normal(after) else after


def _folded(rdn: Rdn) -> tuple[str, str]:
    return rdn[0].casefold(), rdn[1].casefold()
