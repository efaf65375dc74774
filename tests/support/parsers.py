"""What reads bytes that others made, each with what must hold whatever they are: only foreseen errors, and its laws.

`tests/property/infra/test_parsers_fuzz.py` draws the bytes; `tests/support/fuzzing.py` hunts with coverage, at night.
"""

import asyncio
import gzip
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from api.http.asgi import Message
from api.http.collector.body import Body, Room
from api.http.collector.errors import Crowded
from api.http.errors import CursorUnreadable, TooLarge
from api.http.middleware import whole
from api.http.paging import page
from api.http.patience import Patience
from api.http.rsgi import _Exchange
from consent.signals import gpp, hear, tcf
from consent.signals.config import SignalsConfig
from infra.errors import ConfigurationError
from infra.identifiers import normalise
from infra.log.segments import Damage, line, read_lines, recovered
from infra.serving.store import Undo, own
from infra.serving.sums import Altered, checked, summed
from infra.workspace import Workspace
from ingestion.collector.errors import BodyTooLarge, NotGzip, RequestRefused
from ingestion.collector.forms import parameters, pixel_body, webhook_body
from ingestion.collector.wire import read_mended, read_plain
from profiles.changefeed.errors import PlaceUnknown
from profiles.changefeed.places import Place
from profiles.features.declared import FOLDER, FeatureSet

_TEMPLATES: Final = Path(__file__).parents[2] / "api" / "templates" / "workspace"
_LIMIT: Final = 4_096
_SIGNALS: Final = SignalsConfig.model_validate(
    {
        "gpc": {"last_update": "2026-11-01"},
        "tcf": {"vendor": 7, "purposes": {"personalization": [1, 3, 4]}},
        "categories": {"purposes": {"analytics": ["Analytics"]}},
    }
)


def segments(data: bytes) -> None:
    """Every byte of a segment is in a line or in a damage; what is kept of a torn one is read again alike."""
    pieces = data.splitlines(keepends=True) if b"\r" not in data else [p + b"\n" for p in data.split(b"\n")]
    text = b"".join(pieces)
    found = list(read_lines(pieces))
    assert sum(one.length if isinstance(one, Damage) else len(line(one)) for one in found) == len(text)
    kept = recovered(pieces)
    assert 0 <= kept.keep <= len(text)
    again = [one for one in read_lines(_lines(text[: kept.keep])) if not isinstance(one, Damage)]
    assert len(again) == kept.lines
    between = b"".join((line(b'{"a":1}'), text if text.endswith(b"\n") else text + b"\n", line(b'{"b":2}')))
    bodies = [one for one in read_lines(_lines(between)) if not isinstance(one, Damage)]
    assert (bodies[0], bodies[-1]) == (b'{"a":1}', b'{"b":2}')


def _lines(text: bytes) -> list[bytes]:
    *ended, rest = text.split(b"\n")
    return [one + b"\n" for one in ended] + ([rest] if rest else [])


def identifiers(data: bytes) -> None:
    """A spelling is final, and nothing that was written as an identifier is an error."""
    text = data.decode("utf-8", "replace")
    for normaliser in ("email", "phone", "code", "uuid", "text", "sha256"):
        for region in ("US", "DE"):
            value = normalise(normaliser, text, region)
            assert value is None or normalise(normaliser, value, "US") == value


def consents(data: bytes) -> None:
    """A string of the IAB says something or nothing, and a header or event that holds it no more than a wish."""
    text = data.decode("utf-8", "replace")
    for decode in (tcf.decode, gpp.decode):
        assert decode(text) == decode(text)
    assert isinstance(hear.wished([data, text]), bool)
    with suppress(orjson.JSONDecodeError):
        event = orjson.loads(data)
        if isinstance(event, dict):
            assert hear.heard(event, _SIGNALS) == hear.heard(event, _SIGNALS, gpc=False)


def stored(data: bytes) -> None:
    """A stored value is what was put under its key or nothing; what is kept for undoing comes back as it went."""
    key, value = data[: len(data) // 2], data[len(data) // 2 :]
    with suppress(Altered):
        assert summed(key, checked(key, value)) == value
    assert checked(key, summed(key, value)) == value
    for was in (None, value):
        assert Undo.read(*Undo(key, was).kept()) == Undo(key, was)
    with suppress(ValueError):
        assert own(key) == key


_ITEMS: Final = [{"at": f"2026-11-{day:02}T00:00:00Z", "name": "seen"} for day in range(28, 20, -1)]


def cursors(data: bytes) -> None:
    """A cursor names a place or is refused; its page holds what is there, once."""
    text = data.decode("utf-8", "replace")
    for cursor in (text, data.hex()):
        with suppress(CursorUnreadable):
            found = page(_ITEMS, 3, cursor)
            assert [one for one in _ITEMS if one in found.items] == list(found.items)
        with suppress(PlaceUnknown):
            place = Place.read(cursor)
            assert Place.read(place.cursor()) == place


class _Pieces:
    """A body as it arrives, in pieces, in the forms in which servers hand it on."""

    def __init__(self, data: bytes) -> None:
        size = 1 + (data[0] if data else 0)
        self.pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self._left = iter(self.pieces)

    async def receive(self) -> Message:
        piece = next(self._left, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def __call__(self) -> bytes:
        return b"".join(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


class _Scope:
    http_version = "1.1"

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


def bodies(data: bytes) -> None:
    """A body is read whole in whatever pieces it comes, under its limit, and gives back the memory that it took."""
    asyncio.run(_bodies(data))


async def _bodies(data: bytes) -> None:
    for headers in ({"content-length": str(len(data))}, {"transfer-encoding": "chunked"}):
        exchange = _Exchange(_Scope(headers), _Pieces(data), None)
        assert (
            await _read(exchange.receive) == await _read(_Pieces(data).receive) == data[:_LIMIT] or len(data) > _LIMIT
        )
    room = Room(3 * _LIMIT)
    for sent, encoding, right in ((data, b"", data), (data, b"gzip", None), (gzip.compress(data), b"gzip", data)):
        body = Body(room, _LIMIT)
        try:
            text = await body.read(_Pieces(sent).receive, encoding, 60)
            assert right is None or text == right
            assert len(text) <= _LIMIT
        except (BodyTooLarge, NotGzip, Crowded):
            if right is not None and max(len(right), len(sent)) <= _LIMIT:
                raise
        finally:
            body.close()
    assert room.used == 0


async def _read(receive: Callable[[], Any]) -> bytes | None:
    try:
        return await whole(receive, _LIMIT, Patience(60))
    except TooLarge:
        return None


def events(data: bytes) -> None:
    """What a sender sends is read as events or refused as a whole; mending never reads less than reading did."""
    for kind in (None, "track"):
        with suppress(RequestRefused):
            plain = read_plain(data, kind)
            mended = read_mended(data, kind)
            assert plain is None or len(plain.raws) == len(mended.raws)
    with suppress(RequestRefused):
        asked = parameters(data)
        assert isinstance(pixel_body(asked), bytes)
    with suppress(RequestRefused):
        assert orjson.loads(webhook_body(data, {"userId": "a.b", "event": "x"}))["batch"] is not None


@cache
def _workspace() -> Workspace:
    root = Path(tempfile.mkdtemp(prefix="kindred-fuzz-")) / "shop"
    shutil.copytree(_TEMPLATES, root)
    return Workspace.open(root)


def features(data: bytes) -> None:
    """A file of features is a declaration, or says where it is wrong."""
    workspace = _workspace()
    (workspace.root / FOLDER / "drawn.yaml").write_bytes(data)
    with suppress(ConfigurationError):
        declared = workspace.load(f"{FOLDER}/drawn.yaml", FeatureSet)
        assert FeatureSet.model_validate(declared.model_dump()) == declared


PARSERS: Final[Mapping[str, Callable[[bytes], None]]] = {
    one.__name__: one for one in (segments, identifiers, consents, stored, cursors, bodies, events, features)
}
_EVENT: Final = b'{"type":"track","userId":"u-1","event":"Seen","properties":{"n":1.10}}'
# What is near to right gets further than what is drawn from nothing.
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "segments": (line(_EVENT) + line(b"{}"), line(b"1")[:-1] + line(_EVENT), b'{"c":"00000000","e":{}}\n'),
    "identifiers": (b"Ann+tag@B\xc3\xbccher.example", b"+44 7700 900123", b"(202) 555-0143", b"x" * 64, b"a%00b"),
    "consents": (
        b"CPxxEAAPxxEAAAKAyAENAkEgAAAAAAAAAAYgAAAAAAAA.YAAAAAAAAAAA",
        b"DBABMA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA",
        b"DBABrGA~BVVVVVVY~BVQqAAAAAgA",
        b'{"context":{"gpc":true,"consent":{"tcfString":"CP","categoryPreferences":{"Analytics":false}}}}',
    ),
    "stored": (summed(b"key", b"value"), b"key" + summed(b"key", b"val"), b""),
    "cursors": (Place(b"feedfeed", 7, 9).cursor().encode(), (page(_ITEMS, 3, None).following or "").encode()),
    "bodies": (_EVENT, gzip.compress(_EVENT, mtime=0), b"\x01" * 300),
    "events": (
        b'{"batch":[' + _EVENT + b'],"writeKey":"k"}', _EVENT, b"data=eyJldmVudCI6IngifQ&userId=1",
        b'[{"a":{"b":"u-1"}}]', b'{"x":"\\udead"}', b'{"x":"\xc3\x28","y":' + b"[" * 40 + b"]" * 40 + b"}",
    ),
    "features": ((_TEMPLATES / "features" / "basket.yaml").read_bytes(), b"feature_set: a\nversion: 1", b"a: &a [*a]"),
}  # fmt: skip
