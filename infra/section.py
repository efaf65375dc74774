"""A part of the page of configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the page: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
