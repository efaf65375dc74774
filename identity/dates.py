"""One spelling for when somebody was born, and for the sex a source states. Pure, total and idempotent."""

from datetime import date, datetime

from identity.names import folded

_SEXES = {"m": "m", "male": "m", "man": "m", "f": "f", "female": "f", "w": "f", "woman": "f"}
_DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%m-%d-%Y", "%d.%m.%Y", "%d %b %Y", "%d %B %Y",
    "%b %d %Y", "%B %d %Y", "%m/%d/%y", "%Y.%m.%d",
)  # fmt: skip
# Dates that systems write where they know none.
_NO_DATES = frozenset({"1900-01-01", "1970-01-01", "1111-11-11", "1901-01-01", "1899-12-30"})
_EARLIEST_YEAR = 1000
_LATEST_YEAR = 2200


def birth_date(text: str, today: date | None = None) -> str:
    """Return a date as `YYYY-MM-DD`, or an empty string for none, an impossible or a placeholder one.

    Month comes before day where a slash leaves it open. `today` bounds two-digit years: nobody is born tomorrow.
    """
    value = " ".join(text.replace(",", " ").split())
    if "T" in value[10:11] or (len(value) > 10 and value[10:11] == " " and ":" in value):
        value = value[:10]
    for layout in _DATE_FORMATS:
        try:
            found = datetime.strptime(value, layout).date()  # noqa: DTZ007 - a birthday has no zone
        except ValueError:
            continue
        if today is not None and found > today and layout.endswith("%y"):
            found = date(found.year - 100, found.month, min(found.day, 28 if found.month == 2 else found.day))
        plausible = _EARLIEST_YEAR <= found.year <= _LATEST_YEAR and (today is None or found <= today)
        spelled = found.isoformat()
        return spelled if plausible and spelled not in _NO_DATES else ""
    return ""


def sex(text: str) -> str:
    """Return `m`, `f` or an empty string for whatever else stands there; only a stated difference is evidence."""
    return _SEXES.get(folded(text), "")
