"""The addresses at which profiles are read, fast path and slow."""

from typing import Final

LOOKUP, BATCH, BY_ID = "/v1/profiles:lookup", "/v1/profiles:batchLookup", "/v1/profiles/{profile_id}"
BELOW: Final = tuple(f"{BY_ID}/{name}" for name in ("events", "links", "how"))
ROUTES: Final = (LOOKUP, BATCH, BY_ID, *BELOW)
