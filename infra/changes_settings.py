"""How the change feed is kept, and to whom it is sent."""

import re
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from infra.section import Section

# Longer than anybody keeps anything; what is farther back than the calendar begins is no moment.
_CENTURY: Final = 36_525
BROKERS: Final = re.compile(r"[\w.\[\]:-]+:\d{1,5}(\s*,\s*[\w.\[\]:-]+:\d{1,5})*")


class WebhookSettings(Section):
    """An address that changes are posted to, signed as Standard Webhooks has it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="what certificates and logs call it")
    url: str = Field(repr=False, description="https://host/…, or http:// on this machine")
    purpose: str = Field(min_length=1, description="what its receiver uses people for: it hears no more than that")
    secret: SecretStr = Field(min_length=1, description="that messages are signed with, as ${NAME}: whsec_ and base64")

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if not local and (parts.scheme != "https" or not parts.hostname or parts.username or parts.password):
            raise ValueError("who is told of people is told under https; use https://host/…, without a password in it")
        return value


class TopicSettings(Section):
    """A topic of Kafka that changes are sent to, each under its person's id."""

    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="made by Kindred where it is not there")
    purpose: str = Field(min_length=1, description="what its readers use people for: they hear no more than that")
    bootstrap: str = Field(default="127.0.0.1:9092", description="brokers to begin with: host:port")
    partitions: int = Field(default=2, ge=1, le=1000, description="when it is made; never changed")
    replication: int = Field(default=1, ge=1, le=9, description="brokers that keep a copy; 3 in production")
    retention_hours: int = Field(default=168, ge=1, description="after which Kafka deletes changes, read or not")

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        if not BROKERS.fullmatch(value):
            raise ValueError("not the address of a broker; use host:port, and commas between several")
        return value


class HistorySettings(Section):
    """What purposes saw of people, kept so that it can be asked for as of a moment."""

    keep_days: int = Field(
        default=90, ge=0, le=_CENTURY, description="that a moment can be asked for; 0 keeps nothing of the past"
    )


class ChangesSettings(Section):
    """The change feed: what became of people, for who follows it."""

    keep_days: int = Field(
        default=30, ge=1, le=_CENTURY, description="that changes can be asked for; who comes later reads anew"
    )
    webhooks: list[WebhookSettings] = Field(default=[], description="addresses that changes are posted to")
    topics: list[TopicSettings] = Field(default=[], description="topics of Kafka that changes are sent to")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for named in ([one.name for one in self.webhooks], [one.topic for one in self.topics]):
            if len(named) > len(set(named)):
                raise ValueError("two of them have one name, and one place in the feed; give each its own")
        return self
