"""One spelling for where people live: street, unit, city, postcode. Pure and total, light on purpose.

Abbreviations are those of the US Postal Service (Publication 28); the number comes first wherever its country puts
it, the unit is kept apart, and nothing is looked up: a full parser (libpostal) needs a model and a C library for
little more.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from anyascii import anyascii

from identity.fields.names import folded

# Short forms and what they stand for: these anywhere, those below where they end a line. A street may be called
# Meadow, and a slip in it is told better from the whole word.
_ANYWHERE: Final = """
    st: street strt strasse straat saint sankt str    ave: avenue av aven avenu avn    rd: road    dr: drive drv
    ln: lane    blvd: boulevard boul boulv bd bvd    ct: court crt    pl: place platz plein    sq: square sqr
    ter: terrace terr    cir: circle circ    hwy: highway    pkwy: parkway pky parkwy    trl: trail    way: wy
    cres: crescent cresent    cl: close    n: north    s: south    e: east    w: west    ne: northeast    nw: northwest
    se: southeast    sw: southwest    mt: mount    ft: fort    aly: alley    hts: heights hgts    pt: point
    rdg: ridge    vw: view    vly: valley    expy: expressway    fwy: freeway    tpke: turnpike    rte: route
    che: chemin    imp: impasse    1st: first    2nd: second    3rd: third    4th: fourth    5th: fifth    6th: sixth
    7th: seventh    8th: eighth    9th: ninth    10th: tenth
"""
_AT_THE_END: Final = """
    plz: plaza    crk: creek    grv: grove    gdn: garden    gdns: gardens    xing: crossing    brg: bridge    hl: hill
    hls: hills    mdw: meadow    mdws: meadows    spgs: springs    sta: station    jct: junction    ctr: center centre
    holw: hollow    cv: cove    gln: glen    hbr: harbor harbour    lk: lake    lndg: landing    vlg: village
    vis: vista    pde: parade    esp: esplanade
"""


def _table(entries: str) -> dict[str, str]:
    parts = [entry.split(":") for entry in re.split(r"\s{3,}|\n", entries) if ":" in entry]
    return {word: short.strip() for short, words in parts for word in words.split()}


_SHORT: Final = _table(_ANYWHERE)
_ENDINGS: Final = _table(_AT_THE_END)
# Germanic streets are one word, and written short as often as long.
_COMPOUND: Final = re.compile(r"([a-z]{2,})(?:str(?:asse|aat)?|(pl)(?:atz|ein)?)")
_UNITS: Final = frozenset(
    """apt apartment apmt unit suite ste flat room rm no lot fl floor bldg building ph penthouse dept trlr whg wohnung
    appt appartement bat batiment etage esc piso puerta pta interno""".split()  # noqa: SIM905 - a list to read
)
_NUMBER_WORDS: Final = frozenset({"no", "nr", "num", "number", "numero", "nummer"})
# A number after these is the road's name and no house's.
_NUMBERED: Final = frozenset(
    {"hwy", "rte", "rd", "box", "cr", "sr", "us", "state", "county", "km", "interstate", "lot", "pobox"}
)
_POST_BOX: Final = re.compile(
    r"\b(?:p ?o ?box|(?:post office|postal) box|postfach|postbus|boite postale|case postale|b ?p|apartado"
    r"|caixa postal|casella postale) ?(?=[0-9])"
)
_BOX_MARK: Final = re.compile(r"\bbox\s*#")
_NOWHERE: Final = frozenset(
    {"null", "none", "na", "n a", "unknown", "test", "address", "no fixed address", "xxx", "tbd", "nowhere", "homeless"}
)
_MARKED: Final = re.compile(r"(?:#|\bn\u00b0)\s*(\w+(?:-\w+)*)")
_UNIT_FIRST: Final = re.compile(r"^\s*([0-9]+[a-z]?)\s*/\s*([0-9]+[a-z]?)(?=[\s,]+[a-z]{2})")
_BLOCKS: Final = re.compile(r"(?<=[0-9])\s*(?:丁目|番地の?|番|号|の)\s*(?=([0-9]?))")
_GLUED: Final = re.compile(r"(?<=[^\x00-\x7f])(?=[0-9])")
_TOKEN: Final = re.compile(r"[0-9]+[a-z]?(?:-[0-9]+[a-z]?)+(?![0-9a-z])|[a-z0-9]+")
_NUMBER: Final = re.compile(r"[0-9]+[a-z]?(?:-[0-9]+[a-z]?)*")
_LETTER: Final = re.compile(r"[a-df-mo-rt-vx-z]")  # no letter that is a point of the compass
_BIS: Final = frozenset({"bis", "ter", "quater"})
_ZIP_PLUS_FOUR: Final = re.compile(r"([0-9]{5})-?[0-9]{4}")
_COUNTRY_BEFORE: Final = re.compile(
    r"^(?:d|de|f|fr|a|at|ch|b|be|nl|i|it|e|es|l|lu|dk|s|se|n|no|pt|pl|cz)(?=[0-9]{4,5})"
)
_AMERICA: Final = frozenset({"us", "usa", "united states", "united states of america", "u s", "u s a"})
_ZIP, _SHORTEST_ZIP = 5, 3


@dataclass(frozen=True, slots=True)
class Street:
    """A street line: number and street in one spelling, the unit apart, for a flat is not a house."""

    line: str = ""
    unit: str = ""


def street(text: str) -> Street:
    """Return the street line normalised, e.g. `Flat 4b, 12 Oak Street` → `12 oak st` and `4b`; `Hauptstraße 5` → `5 hauptstr`."""
    found = _once(text)
    # What is left may read as more: `no # 1/2` leaves `no 2`, and that is house number 2. It gets shorter each time.
    while (again := _once(found.line)).line != found.line:
        found = Street(again.line, found.unit or again.unit)
    return found


def _once(text: str) -> Street:
    marked = _MARKED.sub(r" unit \1 ", _BOX_MARK.sub("box ", unicodedata.normalize("NFKC", text).lower()))
    plain = anyascii(_GLUED.sub(" ", _BLOCKS.sub("-", marked))).lower().replace("'", "")
    words = _POST_BOX.sub("pobox ", " ".join(_TOKEN.findall(_UNIT_FIRST.sub(r" unit \1 \2 ", plain)))).split()
    kept, unit = _without_units([_short(word) for word in words])
    kept, behind = _number_first(_numbers_joined(kept))
    if len(kept) > 1:
        kept = [*kept[:-1], _ENDINGS.get(kept[-1], kept[-1])]
    line = " ".join("po box" if word == "pobox" else word for word in kept)
    return Street() if line in _NOWHERE else Street(line, unit or behind)


def _short(word: str) -> str:
    compound = _COMPOUND.fullmatch(word)
    if compound and word not in _SHORT:
        return compound[1] + (compound[2] or "str")
    return _SHORT.get(word, word)


def _without_units(words: list[str]) -> tuple[list[str], str]:
    """Return the words without the first unit and its sign, wherever they stand, and the unit."""
    kept: list[str] = []
    unit = ""
    position = 0
    while position < len(words):
        word, rest = words[position], words[position + 1 :]
        first = not kept and any(_NUMBER.fullmatch(later) for later in rest[1:])
        if not kept and word in _NUMBER_WORDS and rest and _NUMBER.fullmatch(rest[0]):
            position += 1  # No. 12 Oak Street
        elif word in _UNITS and rest and (kept or (first and _is_unit(rest[0]))):
            unit = unit or rest[0]
            position += 2
        else:
            kept.append(word)
            position += 1
    return kept, unit


def _is_unit(word: str) -> bool:
    return any(c.isdigit() for c in word) or len(word) == 1


def _numbers_joined(words: list[str]) -> list[str]:
    """Return the words with `12 b` and `12 bis` as one number, unless the letter is a point of the compass."""
    out: list[str] = []
    for word in words:
        numbered = bool(out) and out[-1].isdigit()
        if numbered and (_LETTER.fullmatch(word) or (word in _BIS and not any(map(str.isdigit, out[:-1])))):
            out[-1] += word[0]
        else:
            out.append(word)
    return out


def _number_first(words: list[str]) -> tuple[list[str], str]:
    """Return the words with the house's number in front, and what stands behind it where the number came last.

    A house's name before its number is left out: not everybody writes it.
    """
    places = [n for n, word in enumerate(words) if _NUMBER.fullmatch(word) and (not n or words[n - 1] not in _NUMBERED)]
    if not places or places[0] == 0:
        return words, ""
    place = places[0]
    if any(word.isalpha() and len(word) > 1 for word in words[place + 1 :]):
        if places[-1] < len(words) - 1:
            return words[place:], ""
        place = places[-1]
    before, after = words[:place], words[place + 1 :]
    # Read again, these words would belong to the number.
    if before[0] in _UNITS or before[0] in _BIS or _LETTER.fullmatch(before[0]):
        return words, ""
    return [words[place], *before], " ".join(after)


def city(text: str) -> str:
    """Return a city's name folded, with Saint, Mount and Fort in their short forms."""
    plain = " ".join(
        _SHORT.get(word, word) if word in {"saint", "sankt", "mount", "fort"} else word for word in folded(text).split()
    )
    return "" if plain in _NOWHERE else plain


def postcode(text: str, country: str = "") -> str:
    """Return a postcode without blanks; a ZIP+4 loses its four, for most sources have only the five.

    A ZIP that a spreadsheet took for a number gets its zeros back where the country says that it is one.
    """
    compact = "".join(folded(text).split())
    compact = _COUNTRY_BEFORE.sub("", compact)
    if folded(country) in _AMERICA and compact.isdigit() and _SHORTEST_ZIP <= len(compact) < _ZIP:
        compact = compact.zfill(_ZIP)
    if not compact or compact in _NOWHERE or not any(c.isdigit() for c in compact):
        return ""
    if set(compact) <= {"0"} or compact == "99999":
        return ""
    plus = _ZIP_PLUS_FOUR.fullmatch(compact)
    return plus[1] if plus else compact
