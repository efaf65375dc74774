"""What callers send about privacy requests and receive, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.models import Asked, IdentifierIn, Moment, PurposeName
from api.http.shapes import TakenOut
from consent.requests.model import Asker, Right, Status

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["city"])]


class PrivacyRequestIn(Asked):
    """What a person asks for, by whatever identifiers they gave."""

    right: Right
    identifiers: list[IdentifierIn] = Field(min_length=1, max_length=20)
    jurisdiction: str | None = Field(default=None, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", examples=["DE", "US-CA"])
    regulation: str | None = Field(default=None, pattern=r"^[a-z_]{1,20}$", examples=["gdpr"])
    received_at: Moment | None = Field(default=None, description="when it came, if not now")
    asked_by: Asker = "subject"
    purposes: list[PurposeName] | None = Field(default=None, max_length=50, description="of an objection")
    corrections: dict[FieldName, Annotated[str, Field(max_length=500)]] | None = Field(default=None, repr=False)
    lift: bool = Field(default=False, description="of a restriction: end it")
    external_id: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="repeat without doubling"
    )


class ProofIn(Asked):
    """A proof that was sent to an identifier, brought back."""

    proof: str = Field(min_length=1, max_length=500, repr=False)


class ApproveIn(Asked):
    """Whether an erasure goes before a copy that is asked for."""

    anyway: bool = False


class RefuseIn(Asked):
    """On which ground a request is refused."""

    ground: str = Field(pattern=r"^[a-z_]{1,30}$", examples=["legal_obligation"])


class ExtendIn(Asked):
    """Why it takes longer, as the law lets it."""

    reason: Literal["complexity", "number_of_requests"]


class RequestReceiptOut(BaseModel):
    """What whoever asks is told: the same for everybody, known or not."""

    id: str
    right: Right
    regulation: str
    received_at: datetime
    due_at: datetime
    external_id: str | None


class PrivacyRequestOut(BaseModel):
    """Where a request stands, without any value of the person's."""

    model_config = ConfigDict(extra="allow")

    id: str
    right: Right
    status: Status
    regulation: str
    received_at: datetime
    due_at: datetime
    alarm: str | None = None
    days_left: float | None = None


class RequestStepsOut(PrivacyRequestOut):
    """A request with every step it took."""

    steps: list[TakenOut]


class RequestsOut(BaseModel):
    """Requests, the most urgent first."""

    requests: list[PrivacyRequestOut]


class ClocksOut(BaseModel):
    """How many open requests have used how much of their time, and what waits to be sent."""

    at: datetime
    alarms: dict[str, int]
    outbox: dict[str, int]
