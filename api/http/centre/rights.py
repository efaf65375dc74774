"""What a person asks for on their page: a copy, a correction, a stop, an end. Their link is the proof."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from api.http.centre.link import Bearer
from consent.requests.desk import Desk
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Request, Right, Wish
from infra.errors import Malformed

CHANNEL: Final = "centre"
ACTOR: Final = "subject"
# In the order of the page, the gravest last.
OFFERED: Final[tuple[Right, ...]] = ("access", "portability", "rectification", "restriction", "erasure")
_LONGEST: Final = 400


def ask(
    desk: Desk, bearer: Bearer, form: Mapping[str, str], *, value: str, correctable: tuple[str, ...], at: datetime
) -> Request:
    """Open the request that a form asks for; the same asked twice is refused as a duplicate, and the first goes on.

    `value` is the identifier's own as far as it is known here, `correctable` the fields that the page offers.
    """
    right = next((one for one in OFFERED if one == form.get("right")), None)
    if right is None:
        raise Malformed(f"the form names no right that this page offers: {', '.join(OFFERED)}")
    if right == "erasure" and form.get("sure") != "yes":
        raise Malformed("an erasure cannot be undone; tick the box that says so, and ask again")
    sealed: dict[str, dict[str, str]] = {}
    if right == "rectification":
        field, said = form.get("field", ""), form.get("value", "").strip()
        if field not in correctable or not said or len(said) > _LONGEST:
            raise Malformed(f"choose what to correct and write what is right, in {_LONGEST} characters at most")
        sealed = {"corrections": {field: said}}
    wish = Wish(
        right=right,
        identifiers=(Claimed(bearer.kind, bearer.token, value),),
        received_at=at,
        actor=ACTOR,
        channel=CHANNEL,
        sealed=sealed,
        vouched="link",
    )
    return open_request(desk, wish, at)
