"""How two records are compared: per field the levels of agreement, best first, as SQL conditions.

A level answers for either order of the pair (symmetric), so that a pair's weight does not depend on who stands
left. `household` is how often two *different* members of one household come out on that level: Splink learns m
(same person) and u (strangers) from the data, but relatives share address, surname and phone, and judged
against strangers they look like one person. The household figures are the second opinion; they are the
defaults of this file because no unlabelled data can tell a household from its members.
"""

from dataclasses import dataclass

NULL = "unknown"
OTHER = "different"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of agreement: its condition, and what m (and u) are held for until data have been seen.

    What is not `counted` is learnt, so that its absence weighs what it should, but adds nothing: a shared
    identifier is evidence of its own.
    """

    label: str
    condition: str
    m: float
    household: float | None = None
    u: float | None = None
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field's levels from best to none; `frequency` names the column whose rare values weigh more.

    What is not `learnt` is held at what it says here: too few pairs have it on both sides, and those that do are
    rarely strangers.
    """

    name: str
    null: str
    levels: tuple[Level, ...]
    other: Level
    frequency: str | None = None
    learnt: bool = True

    def all_levels(self) -> tuple[Level, ...]:
        """Return the levels that carry weight, best first; the last one stands for everything else."""
        return (*self.levels, self.other)


def _missing(*columns: str) -> str:
    return " OR ".join(f"{c}_l IS NULL OR {c}_r IS NULL" for c in columns)


def _same(*columns: str) -> str:
    return " AND ".join(f"{c}_l = {c}_r" for c in columns)


def _alike(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


_SWAPPED = "given_name_l = family_name_r AND family_name_l = given_name_r"
_INITIAL = (
    "(length(given_name_l) = 1 OR length(given_name_r) = 1) AND substr(given_name_l, 1, 1) = substr(given_name_r, 1, 1)"
)
_MISSPELT = (
    "list_bool_or(list_transform(given_forms_l, lambda x: jaro_winkler_similarity(x, given_name_r) >= 0.92)) "
    "OR list_bool_or(list_transform(given_forms_r, lambda x: jaro_winkler_similarity(x, given_name_l) >= 0.92))"
)
# a slip of the pen seldom makes another name: Anna and Anne, Marie and Maria are sisters more often than one person
_NICKNAME = "(list_contains(given_forms_l, given_name_r) OR list_contains(given_forms_r, given_name_l))"
_BEGINNING = "(starts_with(given_name_l, given_name_r) OR starts_with(given_name_r, given_name_l))"
_TWO_NAMES = (
    "given_known_l AND given_known_r AND jaro_winkler_similarity(given_name_l, given_name_r) >= 0.85"
    f" AND NOT ({_NICKNAME} AND {_BEGINNING})"
)
_DAY_AND_MONTH_SWAPPED = (
    "substr(birth_date_l, 1, 4) = substr(birth_date_r, 1, 4) AND substr(birth_date_l, 6, 2) = substr(birth_date_r, 9, 2)"
    " AND substr(birth_date_l, 9, 2) = substr(birth_date_r, 6, 2)"
)
_GENERATION = "abs(CAST(substr(birth_date_l, 1, 4) AS INTEGER) - CAST(substr(birth_date_r, 1, 4) AS INTEGER)) <= 12"
_HOUSE = "split_part(street_l, ' ', 1) = split_part(street_r, ' ', 1)"

COMPARISONS = {
    c.name: c
    for c in (
        Comparison(
            "given_name",
            _missing("given_name"),
            (
                Level("same", _same("given_name"), 0.72, 0.02),
                Level("alike, but two names", _TWO_NAMES, 0.005, 0.06),
                Level("nickname", _NICKNAME, 0.07, 0.005),
                Level("swapped with family name", _SWAPPED, 0.01, 0.001),
                Level("initial", _INITIAL, 0.03, 0.06),
                Level(
                    "spelt alike",
                    f"{_alike('given_name', 0.9)} OR damerau_levenshtein(given_name_l, given_name_r) <= 1",
                    0.1,
                    0.02,
                ),
                Level("nickname misspelt", _MISSPELT, 0.01, 0.002),
                Level("short for the same name", "list_has_any(given_forms_l, given_forms_r)", 0.01, 0.02),
                Level("similar", _alike("given_name", 0.8), 0.02, 0.04),
            ),
            Level(OTHER, "", 0.04, 0.78),
            frequency="given_name",
        ),
        Comparison(
            "family_name",
            _missing("family_name"),
            (
                Level("same", _same("family_name"), 0.8),
                Level("swapped with given name", _SWAPPED, 0.01),
                Level(
                    "spelt alike",
                    f"{_alike('family_name', 0.92)} OR damerau_levenshtein(family_name_l, family_name_r) <= 1",
                    0.1,
                ),
                Level(
                    "part in common",
                    "list_has_any(string_split(family_name_l, ' '), string_split(family_name_r, ' '))",
                    0.02,
                ),
                Level("similar", _alike("family_name", 0.84), 0.03),
            ),
            Level(OTHER, "", 0.04),
            frequency="family_name",
        ),
        Comparison(
            "birth_date",
            _missing("birth_date"),
            (
                Level("same", _same("birth_date"), 0.88, 0.03),
                Level("one digit off", "damerau_levenshtein(birth_date_l, birth_date_r) <= 1", 0.05, 0.008),
                Level("day and month swapped", _DAY_AND_MONTH_SWAPPED, 0.01, 0.002),
                Level("two digits off", "damerau_levenshtein(birth_date_l, birth_date_r) <= 2", 0.02, 0.06),
                Level("years apart", _GENERATION, 0.02, 0.41),
            ),
            Level("a generation apart", "", 0.005, 0.5),
        ),
        Comparison(
            "place",
            "(street_l IS NULL OR street_r IS NULL) AND (postcode_l IS NULL OR postcode_r IS NULL)"
            " AND (city_l IS NULL OR city_r IS NULL)",
            (
                Level(
                    "same street and postcode",
                    f"{_same('street', 'postcode')} AND coalesce(unit_l, unit_r, '') = coalesce(unit_r, unit_l, '')",
                    0.55,
                ),
                Level("same street", _same("street"), 0.05),
                Level(
                    "street alike",
                    f"{_HOUSE} AND {_alike('street', 0.88)} AND coalesce(city_l = city_r, postcode_l = postcode_r, true)",
                    0.1,
                ),
                Level("same postcode", _same("postcode"), 0.08),
                Level("same city", _same("city"), 0.08),
            ),
            Level(OTHER, "", 0.14),
        ),
        Comparison(
            "email",
            "len(emails_l) = 0 OR len(emails_r) = 0",
            (
                Level("shared", "list_has_any(emails_l, emails_r)", 0.55, 0.08, u=0.0005, counted=False),
                Level("same handle", _same("handle"), 0.05, 0.01),
            ),
            Level(OTHER, "", 0.4, 0.91),
        ),
        Comparison(
            "birth_hint",
            # with both dates known they speak for themselves
            "list_has_any(emails_l, emails_r) OR birth_date_l IS NOT NULL AND birth_date_r IS NOT NULL OR NOT coalesce("
            "mail_year_l IS NOT NULL AND birth_date_r IS NOT NULL OR mail_year_r IS NOT NULL AND birth_date_l IS NOT NULL, "
            "false)",
            (
                Level(
                    "mailbox ends in the year of birth",
                    "mail_year_l = substr(birth_date_r, 3, 2) OR mail_year_r = substr(birth_date_l, 3, 2)",
                    0.6,
                    0.03,
                ),
            ),
            Level(OTHER, "", 0.4, 0.97),
        ),
        Comparison(
            "phone",
            "len(phones_l) = 0 OR len(phones_r) = 0",
            (
                Level("shared", "list_has_any(phones_l, phones_r)", 0.55, u=0.0005, counted=False),
                Level("one digit off", "damerau_levenshtein(phones_l[1], phones_r[1]) <= 1", 0.05),
            ),
            Level(OTHER, "", 0.4),
        ),
        Comparison(
            "sex",
            _missing("sex"),
            (Level("same", _same("sex"), 0.985, 0.985, u=0.5),),
            Level(OTHER, "", 0.015, 0.58),
            learnt=False,
        ),
        Comparison(
            "suffix",
            _missing("suffix"),
            (Level("same", _same("suffix"), 0.98, 0.2, u=0.4),),
            Level(OTHER, "", 0.02, 0.8),
            learnt=False,
        ),
    )
}
"""Every comparison that `identity.yaml` may name."""
