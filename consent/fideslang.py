"""The keys of the public taxonomy to which a policy maps its purposes; shipped as data, so that nothing is fetched."""

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Final

_SIMILAR: Final = 0.5


@cache
def uses() -> frozenset[str]:
    """Return the keys of Fideslang's data uses: `marketing.communications.email`."""
    return frozenset(files("consent").joinpath("data/fideslang_uses.txt").read_text(encoding="utf-8").split())


def nearest(key: str) -> str:
    """Return the known key that is likest to a wrong one; where none is alike, the roots to choose from."""
    # What was meant often ends alike and begins otherwise.
    ends = sorted(one for one in uses() if "." not in key and one.endswith(f".{key}"))
    alike = ends or get_close_matches(key, sorted(uses()), n=1, cutoff=_SIMILAR)
    if alike:
        return f"the nearest is `{alike[0]}`"
    return f"a key begins with one of: {', '.join(sorted(one for one in uses() if '.' not in one))}"
