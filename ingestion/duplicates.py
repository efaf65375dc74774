"""What makes a row a repetition, as a source's YAML declares it."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_serializer, model_validator

from ingestion.connectors.declared import Section
from ingestion.contract import Word

_WITHIN = re.compile(r"(\d{1,6})([smhd])")
_WIDEST = {"content": timedelta(days=30), "key": timedelta(days=3_650)}


class Duplicates(Section):
    """What makes a row a repetition: what it says under its key (a new word is a new version), or its key alone.

    `within`, of content, goes beyond the key: an event that says what another one of the same person says, no longer
    before or after it, is that one's repetition, though its own key is new. Of the key (or `id`) it says how long an
    event's key counts, from arrival to arrival; without it, for ever. What comes under it later is a new version.
    """

    by: Annotated[Literal["content", "key"], BeforeValidator(lambda said: "key" if said == "id" else said)]
    within: Word | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.within is not None:
            found, widest = _WITHIN.fullmatch(self.within), _WIDEST[self.by]
            if found is None or not timedelta(0) < _width(found) <= widest:
                raise ValueError(f"`within` is a time up to {widest.days}d, in s, m, h or d, for example 10m")
        return self

    @model_serializer
    def _word(self) -> Any:
        # The digest of a declaration stays what it was as long as the old words say it.
        return self.by if self.within is None else {"by": self.by, "within": self.within}

    @property
    def window(self) -> timedelta | None:
        """How far apart two events may be that say the same, or None where only the key counts."""
        return self._within if self.by == "content" else None

    @property
    def memory(self) -> timedelta | None:
        """How long a key counts, or None where it does for ever."""
        return self._within if self.by == "key" else None

    @property
    def _within(self) -> timedelta | None:
        found = _WITHIN.fullmatch(self.within or "")
        return _width(found) if found else None


def _width(found: re.Match[str]) -> timedelta:
    return int(found[1]) * {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}.get(
        found[2], timedelta(days=1)
    )


def named(value: Any) -> Any:
    """Return the one word of old as what it stands for."""
    return {"by": value} if isinstance(value, str) else value
