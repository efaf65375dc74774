"""One spelling for when somebody was born, and for the sex a source states. Pure, total and idempotent."""

from datetime import date

from identity.fields.names import folded
from infra import dates

_SEXES = {
    **dict.fromkeys(("m", "male", "man", "boy", "mann", "mannlich", "maennlich", "masculin", "masculino", "maschio"), "m"),
    **dict.fromkeys(("homme", "hombre", "homem", "uomo", "jongen"), "m"),
    **dict.fromkeys(("f", "female", "w", "woman", "girl", "frau", "weiblich", "feminin", "femenino", "feminino"), "f"),
    **dict.fromkeys(("femme", "mujer", "mulher", "femmina", "donna", "vrouw", "vrouwelijk", "meisje"), "f"),
}  # fmt: skip
# Days that systems and forms write where they know none: the beginnings of calendars, and what is typed to get past.
_NO_DATES = frozenset(
    [
        "1000-01-01", "1111-11-11", "1234-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01",
        "1900-01-02", "1901-01-01", "1904-01-01", "1970-01-01", "2999-12-31", "9999-12-31",
    ]
)  # fmt: skip
_EARLIEST_YEAR = 1000
_LATEST_YEAR = 2200


def birth_date(text: str, today: date | None = None) -> str:
    """Return a date as `YYYY-MM-DD`, or an empty string for none, an impossible or a placeholder one.

    Month comes before day where a slash leaves it open; a source that writes the day first says so (`date_order`),
    and its dates arrive here in ISO 8601. `today` bounds the years: nobody is born tomorrow.
    """
    spelled = dates.day(text, latest=today)
    if not spelled or spelled in _NO_DATES or not _EARLIEST_YEAR <= int(spelled[:4]) <= _LATEST_YEAR:
        return ""
    return "" if today is not None and spelled > today.isoformat() else spelled


def sex(text: str) -> str:
    """Return `m`, `f` or an empty string for whatever else stands there; only a stated difference is evidence."""
    return _SEXES.get(folded(text), "")
