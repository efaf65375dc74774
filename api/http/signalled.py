"""What callers send and receive about signals of consent and yeses by mail, as the OpenAPI document shows it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.models import Asked, IdentifierIn, Moment, PurposeName
from api.http.shapes import EntryOut

# A string longer than any real one is no consent, which is said of it and not an error.
_STRING = 65_536
_CATEGORIES = 200
Jurisdiction = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", examples=["US-CA"])]


class SignalIn(Asked):
    """What a program heard of one visit."""

    identifiers: list[IdentifierIn] = Field(min_length=1, max_length=20)
    gpc: StrictBool = Field(default=False, description="navigator.globalPrivacyControl; the header Sec-GPC counts too")
    tcf: str | None = Field(default=None, max_length=_STRING, repr=False, description="the TC string, as it is")
    gpp: str | None = Field(default=None, max_length=_STRING, repr=False, description="the GPP string, as it is")
    categories: dict[Annotated[str, Field(max_length=200)], StrictBool] = Field(
        default_factory=dict, max_length=_CATEGORIES, repr=False, examples=[{"Advertising": False}]
    )
    jurisdiction: Jurisdiction | None = None
    occurred_at: Moment | None = None


class SignalOut(BaseModel):
    """What became of a visit's signals."""

    entries: list[EntryOut] = Field(description="the new entries of the ledger")
    repeated: int = Field(description="how many words the ledger held already, or may not be taken for new ones")
    flags: list[str] = Field(description="clock_skew: the moment told is more than a day off")


class OptInIn(Asked):
    """A yes that somebody typed into a form."""

    identifier: IdentifierIn
    purpose: PurposeName
    channel: str | None = Field(default=None, pattern=r"^[a-z_]{1,32}$", examples=["email"])
    jurisdiction: Jurisdiction | None = None
    notice: str | None = Field(default=None, max_length=200, examples=["newsletter@3"])


class OptInOut(BaseModel):
    """The slip for the mail; nothing is allowed by it until it is confirmed."""

    token: str
    purpose: str
    expires_at: str


class ConfirmIn(Asked):
    """The slip of a mail, as it came back."""

    token: str = Field(min_length=1, max_length=8_192, repr=False)


class SupportOut(BaseModel):
    """The resource of the Global Privacy Control specification."""

    model_config = ConfigDict(extra="allow")

    gpc: bool
