"""Pages from templates: texts of a catalogue, values as text and nothing else, headers that allow no more."""

import gzip
import hashlib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp_jinja2
import jinja2
import orjson
from aiohttp import web
from markupsafe import Markup

from gateway.console.session import SignedIn
from gateway.errors import NotFound
from gateway.log import correlation_id
from gateway.version import VERSION

HERE: Final = files("gateway.console")
PREFIX: Final = "/console"
LANGUAGES: Final = ("en", "de")  # a catalogue each; the first is for who reads none of them
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
MEDIA: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

# what a browser would obey or leave out: controls, marks of direction, ends of lines, halves of pairs
UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

SESSION: web.RequestKey[SignedIn] = web.RequestKey("session", SignedIn)


def visible(value: Any) -> Any:
    """Return a value as a page may show it: what would not be seen, or moves other text, by its number."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    text = value if isinstance(value, str) else str(value)
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def shown(value: Any) -> str:
    """Return a value of an event: a text as it is, anything else as JSON, nothing for null."""
    if value is None or isinstance(value, str | jinja2.Undefined):
        return str(value or "")
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if isinstance(value, dict | list) else 0).decode()


def shortened(value: Any, most: int = 80) -> str:
    """Return `shown` with at most so many characters, on one line."""
    text = " ".join(shown(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def second(moment: Any) -> str:
    """Return a time without its fractions, as people read it."""
    text = str(moment or "")
    return f"{text[:10]} {text[11:19]} UTC" if len(text) > 19 else text


def path_of(*parts: str | int, **asked: Any) -> str:
    """Return an address of the console; what is asked with None or "" is left out."""
    query = urlencode({name: value for name, value in asked.items() if value not in (None, "")})
    path = "/".join((PREFIX, *(quote(str(part), safe="") for part in parts)))
    return f"{path}?{query}" if query else path


Say = Callable[..., str]


class Texts:
    """What the console says, in each language."""

    def __init__(self) -> None:
        self._texts = {language: _flat(_catalogue(language)) for language in LANGUAGES}

    def say(self, language: str, key: str, /, **values: Any) -> str:
        """Return a text with these values in it; raises KeyError for one that no catalogue has."""
        texts = self._texts[language]
        text = texts[key] if key in texts else self._texts[LANGUAGES[0]][key]
        return text.format(**values) if values else text

    def group(self, language: str, group: str) -> Collection[str]:
        """Return the names that a group has texts for."""
        return [key.partition(".")[2] for key in self._texts[language] if key.startswith(f"{group}.")]

    def known(self, language: str, group: str, name: Any) -> str:
        """Return the text of a name of ours, or the name itself where nobody has put it into words."""
        return self._texts[language].get(f"{group}.{name}", "" if name is None else str(name))


@cache
def _catalogue(language: str) -> Mapping[str, Any]:
    return tomllib.loads((HERE / "texts" / f"{language}.toml").read_text("utf-8"))


def _flat(tables: Mapping[str, Any]) -> dict[str, str]:
    return {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}


def language_of(accepted: str, chosen: str | None) -> str:
    """Return the language of a page: the one chosen, else the first of the browser's that there is.

    Browsers list them in their order (RFC 9110 section 12.5.4), so that their weights say nothing more.
    """
    if chosen is not None:
        return chosen
    wanted = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accepted.split(","))
    return next((language for language in wanted if language in LANGUAGES), LANGUAGES[0])


class Asset(NamedTuple):
    """A file of our own that pages need."""

    media: str
    body: bytes
    packed: bytes  # gzip
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return them by name."""
    found = {}
    for file in (HERE / "static").iterdir():
        body = file.read_bytes()
        digest = hashlib.sha256(body).hexdigest()[:16]
        media = MEDIA[file.name.rpartition(".")[2]]
        found[file.name] = Asset(media, body, gzip.compress(body, mtime=0), digest)
    return found


async def asset(request: web.Request) -> web.Response:
    """Answer with a file of our own; under the address that pages have it may be kept for good."""
    found = assets().get(request.match_info["name"])
    if found is None:
        raise NotFound("the console has no such file")
    is_named = request.query.get("v") == found.digest
    headers = {
        "Cache-Control": f"public, max-age={31536000 if is_named else 0}, immutable"
        if is_named
        else "no-cache",
        "Vary": "Accept-Encoding",
    }
    body = found.body
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = found.packed, "gzip"
    return web.Response(body=body, content_type=found.media, charset="utf-8", headers=headers)


@cache
def _templates() -> jinja2.Environment:
    """Return them, each compiled when it is first asked for, and not again after a reload."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.console"),
        autoescape=True,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "shortened": shortened, "second": second}
    environment.globals |= {
        "path": path_of,
        "asset": lambda name: f"{PREFIX}/static/{name}?v={assets()[name].digest}",
        "version": VERSION,
    }
    return environment


class Pages:
    """Renders templates."""

    def __init__(self, language: str | None, has_oidc: bool) -> None:
        self.texts = Texts()
        self._chosen = language
        self._has_oidc = has_oidc

    def set_up(self, application: web.Application) -> None:
        """Have an application render them."""
        application[aiohttp_jinja2.APP_KEY] = _templates()

    def language(self, request: web.Request) -> str:
        """Return the language in which somebody is answered."""
        return language_of(request.headers.get("Accept-Language", ""), self._chosen)

    def say(self, request: web.Request) -> Say:
        """Return what gives texts in the language of a request."""
        return partial(self.texts.say, self.language(request))

    def answer(
        self, request: web.Request, template: str, status: int = 200, /, **context: Any
    ) -> web.Response:
        """Return a page."""
        language = self.language(request)
        about = {
            "language": language,
            "t": partial(self.texts.say, language),
            "known": partial(self.texts.known, language),
            "session": request.get(SESSION),
            "correlation_id": correlation_id.get(),
            "has_oidc": self._has_oidc,
            "here": request.rel_url.raw_path_qs,
            "done": done
            if (done := request.query.get("done")) in self.texts.group(language, "done")
            else None,
        }
        response = aiohttp_jinja2.render_template(f"{template}.html", request, about | context, status=status)
        response.headers["Vary"] = "Accept-Language, Cookie"
        return response


def ago(moment: str | None, now: datetime) -> float | None:
    """Return how many seconds ago a time was; None where it never was."""
    return None if moment is None else (now - datetime.fromisoformat(moment)).total_seconds()
