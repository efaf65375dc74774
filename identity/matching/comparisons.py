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
NUMBER = "number"
"""The comparison of identifiers of which a person has one: asked only where a type is `unique`."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of agreement: its condition, and what m (and u) are held for until data have been seen.

    What is not `counted` is learnt, so that its absence weighs what it should, but adds nothing: a shared
    identifier is evidence of its own. `by_frequency`: the rarer the names, the more it weighs, as with the best level.
    """

    label: str
    condition: str
    m: float
    household: float | None = None
    u: float | None = None
    counted: bool = True
    by_frequency: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field's levels from best to none; `frequency` names the column whose rare values weigh more.

    What is not `learnt` is held at what it says here: too few pairs have it on both sides, and those that do are
    rarely strangers. Where `relatives_mislead`, so it is only where families live together: learning takes brother
    and sister for one person whose sex is misstated.
    """

    name: str
    null: str
    levels: tuple[Level, ...]
    other: Level
    frequency: str | None = None
    learnt: bool = True
    relatives_mislead: bool = False

    def is_learnt(self, *, families: bool) -> bool:
        """Say whether the records teach it, those of families or of people who live alone."""
        return self.learnt and not (families and self.relatives_mislead)

    def all_levels(self) -> tuple[Level, ...]:
        """Return the levels that carry weight, best first; the last one stands for everything else."""
        return (*self.levels, self.other)


def _missing(*columns: str) -> str:
    return " OR ".join(f"{c}_l IS NULL OR {c}_r IS NULL" for c in columns)


def _same(*columns: str) -> str:
    return " AND ".join(f"{c}_l = {c}_r" for c in columns)


def _alike(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


# one of the two may be misspelt as well
_SWAPPED = (
    "given_name_l = family_name_r AND jaro_winkler_similarity(family_name_l, given_name_r) >= 0.88 "
    "OR family_name_l = given_name_r AND jaro_winkler_similarity(given_name_l, family_name_r) >= 0.88"
)
_GIVEN_ELSEWHERE = "given_name_l = family_name_r OR given_name_r = family_name_l"
# then a family name is held against a given name, which says nothing
_OTHER_FIELD = (
    f"given_name_l <> given_name_r AND family_name_l <> family_name_r AND ({_GIVEN_ELSEWHERE}) AND NOT ({_SWAPPED})"
)
# where both given names are known, their comparison says it
_FAMILY_ELSEWHERE = (
    "family_name_l = given_name_r AND given_name_l IS NULL OR family_name_r = given_name_l AND given_name_r IS NULL"
)
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
# where only the year is known, many write the first of January
_FIRST_OF_JANUARY = "substr(birth_date_{}, 6) = '01-01'"
_YEAR_ONLY = (
    "substr(birth_date_l, 1, 4) = substr(birth_date_r, 1, 4) "
    f"AND ({_FIRST_OF_JANUARY.format('l')} OR {_FIRST_OF_JANUARY.format('r')})"
)
_DAYS = (
    "(CAST(substr(birth_date_{0}, 1, 4) AS INTEGER) * 372 + CAST(substr(birth_date_{0}, 6, 2) AS INTEGER) * 31 "
    "+ CAST(substr(birth_date_{0}, 9, 2) AS INTEGER))"
)
_GENERATION = "abs(CAST(substr(birth_date_l, 1, 4) AS INTEGER) - CAST(substr(birth_date_r, 1, 4) AS INTEGER)) <= 12"
_AREA = (
    "length(postcode_l) >= 4 AND length(postcode_r) >= 4 AND "
    "substr(postcode_l, 1, length(postcode_l) - 2) = substr(postcode_r, 1, length(postcode_r) - 2)"
)
# namesakes have mailboxes one letter apart: only where a number, or all before the at sign, is the same is it a slip
_MAIL_MISSPELT = (
    "mail_year_l = mail_year_r AND damerau_levenshtein(emails_l[1], emails_r[1]) <= 2 "
    "OR split_part(emails_l[1], '@', 1) = split_part(emails_r[1], '@', 1) "
    "AND damerau_levenshtein(split_part(emails_l[1], '@', 2), split_part(emails_r[1], '@', 2)) <= 2"
)
_NUMBER_TYPES = "list_transform(numbers_{}, lambda x: split_part(x, ':', 1))"
_NO_NUMBER_OF_ONE_TYPE = (
    "len(numbers_l) = 0 OR len(numbers_r) = 0 OR "
    f"NOT coalesce(list_has_any({_NUMBER_TYPES.format('l')}, {_NUMBER_TYPES.format('r')}), false)"
)
_NUMBERS_OFF = (
    "list_bool_or(list_transform(numbers_l, lambda x: list_bool_or(list_transform(numbers_r, lambda y: "
    "split_part(x, ':', 1) = split_part(y, ':', 1) AND {}))))"
)
# two slips in a short code make it another's
_TWO_DIGITS_OFF = (
    "damerau_levenshtein(x, y) <= 2 AND length(x) - length(split_part(x, ':', 1)) > 6 "
    "AND length(y) - length(split_part(y, ':', 1)) > 6"
)
# in a very short one every other is a slip away
_ONE_DIGIT_OFF = (
    "damerau_levenshtein(x, y) <= 1 AND length(x) - length(split_part(x, ':', 1)) > 4 "
    "AND length(y) - length(split_part(y, ':', 1)) > 4"
)
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
                Level("swapped with family name", _SWAPPED, 0.01, 0.001, by_frequency=True),
                Level("stands as family name", _GIVEN_ELSEWHERE, 0.005, 0.001),
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
            f"{_missing('family_name')} OR {_OTHER_FIELD}",
            (
                Level("same", _same("family_name"), 0.8),
                Level("swapped with given name", _SWAPPED, 0.01, by_frequency=True),
                Level("stands as given name", _FAMILY_ELSEWHERE, 0.005),
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
                Level("same", f"{_same('birth_date')} AND NOT {_FIRST_OF_JANUARY.format('l')}", 0.83, 0.03),
                Level("same first of January", _same("birth_date"), 0.05, 0.002),
                Level("one digit off", "damerau_levenshtein(birth_date_l, birth_date_r) <= 1", 0.05, 0.008),
                Level("day and month swapped", _DAY_AND_MONTH_SWAPPED, 0.01, 0.002),
                Level("same year, one a first of January", _YEAR_ONLY, 0.01, 0.004),
                Level("weeks apart", f"abs({_DAYS.format('l')} - {_DAYS.format('r')}) <= 31", 0.005, 0.002),
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
                Level("same postcode", _same("postcode"), 0.07),
                Level("postcode alike", "damerau_levenshtein(postcode_l, postcode_r) <= 1", 0.01),
                Level("same city", _same("city"), 0.07),
                Level("city alike", _alike("city", 0.88), 0.02),
                Level("same postal area", _AREA, 0.03),
            ),
            Level(OTHER, "", 0.12),
        ),
        Comparison(
            "email",
            "len(emails_l) = 0 OR len(emails_r) = 0",
            (
                Level("shared", "list_has_any(emails_l, emails_r)", 0.55, 0.08, u=0.0005, counted=False),
                Level("same handle", _same("handle"), 0.05, 0.01),
                Level("spelt alike", _MAIL_MISSPELT, 0.02, 0.005),
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
            NUMBER,
            _NO_NUMBER_OF_ONE_TYPE,
            (
                Level("shared", "list_has_any(numbers_l, numbers_r)", 0.93, 0.005, u=0.00001, counted=False),
                # one counter numbered a family
                Level("one digit off", _NUMBERS_OFF.format(_ONE_DIGIT_OFF), 0.045, 0.015, u=0.0005),
                Level("two digits off", _NUMBERS_OFF.format(_TWO_DIGITS_OFF), 0.015, 0.03, u=0.003),
            ),
            Level(OTHER, "", 0.01, 0.95),
        ),
        Comparison(
            "sex",
            _missing("sex"),
            (Level("same", _same("sex"), 0.985, 0.985, u=0.5),),
            Level(OTHER, "", 0.015, 0.58),
            relatives_mislead=True,
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
