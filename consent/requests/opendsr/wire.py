"""What OpenDSR 2.0 says over the wire; a problem is told by the names of fields, never by what was sent."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from consent.requests.config import OPENDSR_TYPES, OpenDsrConfig
from consent.requests.errors import Unreadable
from consent.requests.model import Claimed, Request, Wish, opendsr
from infra.errors import KindredError

VERSION: Final = "2.0"
TYPES: Final = ("access", "portability", "erasure")
_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_PORT: Final = 443
Word = Annotated[str, Field(max_length=200)]
Body = TypeVar("Body", bound=BaseModel)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


def _of_opendsr(value: str) -> str:
    if value not in OPENDSR_TYPES:
        raise ValueError("not an identity type of OpenDSR 2.0")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside the calendar") from None


class Identity(_Wire):
    """One identity of the person, raw or as a digest."""

    identity_type: Annotated[str, AfterValidator(_of_opendsr)]
    identity_value: str = Field(min_length=1, max_length=320, repr=False)
    identity_format: Literal["raw", "sha1", "md5", "sha256"]


class Submitted(_Wire):
    """The body of `POST /requests`. OpenGDPR's bodies name no regulation; theirs is the GDPR."""

    regulation: Literal["gdpr", "ccpa"] = "gdpr"
    subject_request_id: str = Field(pattern=_UUID4)
    subject_request_type: Literal["access", "portability", "erasure"]
    submitted_time: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    subject_identities: tuple[Identity, ...] = Field(default=(), max_length=50, repr=False)
    api_version: Word | None = None
    status_callback_urls: tuple[Annotated[str, Field(max_length=2000)], ...] = Field(default=(), max_length=10)
    extensions: dict[str, Any] = Field(default={}, repr=False)


class Called(_Wire):
    """The body of a callback, as far as it is heeded."""

    status_callback_url: Annotated[str, Field(max_length=2000)]
    subject_request_id: str = Field(pattern=_UUID4)
    request_status: Literal["pending", "in_progress", "completed", "cancelled"]


class Unfit(Unreadable):
    """A body that is not as OpenDSR has it; `errors` names the fields."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__("the request is not as OpenDSR 2.0 has it", "mend the fields that are named")


def submitted(raw: bytes) -> Submitted:
    """Return the request in a body; raise `Unfit`, which repeats nothing of it."""
    return _read(raw, Submitted)


def called(raw: bytes) -> Called:
    """Return a callback's body; whoever calls has checked its signature before."""
    return _read(raw, Called)


def _read(raw: bytes, model: type[Body]) -> Body:
    try:
        return model.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError:
        raise Unfit([_error("body", "unreadable", "send one JSON object")]) from None
    except RecursionError:
        raise Unfit([_error("body", "unreadable", "nested deeper than can be read")]) from None
    except ValidationError as error:
        raise Unfit([_named(one["loc"], one["type"], model) for one in error.errors(include_input=False)]) from None


def _named(place: tuple[int | str, ...], kind: str, model: type[BaseModel]) -> dict[str, str]:
    """Return a problem by the names of our own fields; any other name could be what somebody sent."""
    ours = {*model.model_fields, *Identity.model_fields}
    where = ".".join(str(step) for step in place if isinstance(step, int) or step in ours) or "body"
    return _error(where, kind, "is required" if kind == "missing" else "is not as OpenDSR 2.0 has it")


Known = Callable[[str, str], Claimed]


def wish(body: Submitted, config: OpenDsrConfig, known: Known, digests: Mapping[str, str], *, actor: str) -> Wish:
    """Return what a controller asks for, in our words; the controller vouches for the person.

    `known` spells an identifier of ours; `digests` names the type that holds the SHA-256 of another. Raise `Unfit` for
    identities that we cannot look up and for addresses that we would not call back.
    """
    errors, found = [], []
    for number, one in enumerate(body.subject_identities):
        kind = config.identities.get(one.identity_type)
        if one.identity_format != "raw":
            kind = digests.get(kind or "") if one.identity_format == "sha256" else None
        if kind is None:
            errors.append(_error(f"subject_identities.{number}", "unsupported", "see /discovery for what is supported"))
            continue
        try:
            found.append(known(kind, one.identity_value))
        except KindredError:
            errors.append(
                _error(f"subject_identities.{number}.identity_value", "invalid", "no valid value of its type")
            )
    errors += [
        _error(f"status_callback_urls.{number}", "refused", "https, of a host that was agreed upon")
        for number, url in enumerate(body.status_callback_urls)
        if not callable_url(url, config.callback_hosts)
    ]
    if not body.subject_identities:
        errors.append(_error("subject_identities", "missing", "name at least one identity"))
    if errors:
        raise Unfit(errors)
    return Wish(
        right=body.subject_request_type,
        identifiers=tuple(dict.fromkeys(found)),
        received_at=body.submitted_time,
        actor=actor,
        channel="opendsr",
        regulation=body.regulation,
        external_id=body.subject_request_id,
        details={"callbacks": list(dict.fromkeys(body.status_callback_urls))},
        vouched=actor,
    )


def callable_url(url: str, hosts: tuple[str, ...]) -> bool:
    """Say whether an address may be called back: https, an agreed host by name, no credentials, no odd port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = parts.scheme == "https" and not parts.username and not parts.password and not parts.fragment
    return plain and port in {None, _PORT} and parts.hostname in hosts and not re.search(r"[\x00-\x20\x7f]", url)


def discovery(config: OpenDsrConfig, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return what we support."""
    formats = [(theirs, "raw") for theirs in config.identities]
    formats += [(theirs, "sha256") for theirs, ours in config.identities.items() if ours in digests]
    return {
        "api_version": VERSION,
        "supported_identities": [{"identity_type": kind, "identity_format": form} for kind, form in sorted(formats)],
        "supported_subject_request_types": list(TYPES),
        "processor_certificate": f"https://{config.domain}/v2/certificate.pem",
    }


def created(request: Request, controller: str, raw: bytes) -> dict[str, Any]:
    """Return the answer to a new request. `encoded_request` is personal data: it goes back and is written nowhere."""
    return {
        "controller_id": controller,
        "expected_completion_time": moment(request.due_at),
        "received_time": moment(request.opened_at),
        "encoded_request": base64.b64encode(raw).decode("ascii"),
        "subject_request_id": request.external_id,
    }


def status(request: Request, controller: str, domain: str) -> dict[str, Any]:
    """Return where a request stands, and where its results can be fetched while they can."""
    told: dict[str, Any] = {
        "controller_id": controller,
        "expected_completion_time": moment(request.due_at),
        "subject_request_id": request.external_id,
        "request_status": opendsr(request.right, request.status),
        "api_version": VERSION,
    }
    if request.status == "refused":
        # OpenDSR has no word for it; a processor's own domain may hold one.
        told["extensions"] = {domain: {"outcome": "refused", "reason": request.ground}}
    if request.status == "certified_with_exceptions":
        told["extensions"] = {domain: {"outcome": "certified_with_exceptions"}}
    if request.status == "notifying" and request.right in {"access", "portability"}:
        told["results_url"] = f"https://{domain}/v2/requests/{request.external_id}/results"
    return told


def cancelled(request: Request, controller: str, at: datetime) -> dict[str, Any]:
    """Return the answer to a cancellation."""
    return {
        "controller_id": controller,
        "subject_request_id": request.external_id,
        "received_time": moment(at),
        "api_version": VERSION,
    }


def failure(code: int, message: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return an error as OpenDSR has it."""
    return {"error": {"code": code, "message": message, "errors": errors or []}}


def moment(at: datetime) -> str:
    """Return a moment as RFC 3339 has it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _error(where: str, reason: str, message: str) -> dict[str, str]:
    return {"domain": "Validation", "reason": reason, "message": f"{where}: {message}"}
