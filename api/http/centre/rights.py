"""What a person asks for on their page: a copy, a correction, a stop, an objection, an end. Their link is the proof."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api.http.centre.doors import Unclear
from api.http.centre.link import Bearer
from consent.choices import Choice
from consent.model import OBJECTED
from consent.requests import judge
from consent.requests.desk import Desk
from consent.requests.intake import open_request
from consent.requests.mine import of_person
from consent.requests.model import FROZEN, Claimed, Request, Right, Wish, following
from infra.ids import Purpose

CHANNEL: Final = "centre"
ACTOR: Final = "subject"
# In the order of the page, the gravest last.
OFFERED: Final[tuple[Right, ...]] = ("access", "portability", "rectification", "objection", "restriction", "erasure")
RESTRICTED: Final = "restricted"
_LONGEST: Final = 400
# What is no letter of any script: controls, halves of pairs, what nobody assigned, and what turns a line around.
_NO_TEXT: Final = frozenset({"Cc", "Cs", "Cn", "Co"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Open:
    """What may be asked for now: the rights with a form, the fields that can be corrected, uses to object to.

    `lift` says that the person had every use stopped and may take that back, `erasing` that they are being erased.
    """

    rights: tuple[Right, ...]
    fields: tuple[str, ...]
    uses: tuple[Purpose, ...]
    lift: bool
    erasing: bool


def offered(choices: Sequence[Choice], fields: Sequence[str], requests: Collection[Request]) -> Open:
    """Return what a person may ask for; nothing more while they are being erased."""
    if any(one.right == "erasure" and one.status in FROZEN for one in requests):
        return Open((), (), (), lift=False, erasing=True)
    uses = tuple(one.purpose for one in choices if one.no == OBJECTED and one.allowed)
    lift = any(one.reason == RESTRICTED for one in choices)
    absent = {"rectification"} if not fields else set()
    absent |= {"objection"} if not uses else set()
    absent |= {"restriction"} if lift else set()
    return Open(tuple(one for one in OFFERED if one not in absent), tuple(fields), uses, lift, erasing=False)


def ask(desk: Desk, bearer: Bearer, form: Mapping[str, str], *, value: str, may: Open, at: datetime) -> Request:
    """Open the request that a form asks for; the same asked twice is refused as a duplicate, and the first goes on.

    `value` is the identifier's own as far as it is known here.
    """
    lifts = form.get("right") == "lift" and may.lift
    right: Right | None = (
        "restriction" if lifts else next((one for one in may.rights if one == form.get("right")), None)
    )
    if right is None:
        raise Unclear("incomplete")
    if right == "erasure" and form.get("sure") != "yes":
        raise Unclear("sure")
    details: dict[str, Any] = {"lift": True} if lifts else {}
    sealed: dict[str, dict[str, str]] = {}
    if right == "objection":
        if form.get("purpose") not in may.uses:
            raise Unclear("incomplete")
        details = {"purposes": [form["purpose"]]}
    if right == "rectification":
        sealed = {"corrections": _correction(form, may.fields)}
    wish = Wish(
        right=right,
        identifiers=(Claimed(bearer.kind, bearer.token, value),),
        received_at=at,
        actor=ACTOR,
        channel=CHANNEL,
        details=details,
        sealed=sealed,
        vouched="link",
    )
    return open_request(desk, wish, at)


def _correction(form: Mapping[str, str], fields: Collection[str]) -> dict[str, str]:
    field = form.get("field", "")
    said = unicodedata.normalize("NFC", form.get("value", "")).strip()
    odd = any(unicodedata.category(one) in _NO_TEXT or one in _TURNING for one in said)
    if field not in fields or not said or len(said) > _LONGEST or odd:
        raise Unclear("correction")
    return {field: said}


def can_be_taken_back(request: Request) -> bool:
    """Say whether a person may still take their request back."""
    return "cancelled" in following(request.right, request.status, request.resumes)


def mine(desk: Desk, bearer: Bearer, request_id: str) -> Request:
    """Return an open request of whoever holds the identifier; raise `Unclear` for one that is not theirs, alike."""
    found = next((one for one in of_person(desk, bearer.token) if one.id == request_id), None)
    if found is None:
        raise Unclear("incomplete")
    return found


def take_back(desk: Desk, bearer: Bearer, form: Mapping[str, str], at: datetime) -> Request:
    """Take a person's own request back at their word."""
    return judge.cancel(desk, mine(desk, bearer, form.get("request", "")).id, at=at, actor=ACTOR)
