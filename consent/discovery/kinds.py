"""The kinds of personal data that discovery tells apart: their label, and what columns that hold one are called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# What a column's name is worth beside its values: these say it outright, those could mean something else.
OUTRIGHT: Final = 0.6
PERHAPS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data: its label, what a redacted value is replaced by, what its columns are called.

    `outright` and `perhaps` are words of column names (an underscore between words); `written` stands for a
    redacted value, in square brackets.
    """

    name: str
    label: str
    written: str
    outright: str = ""
    perhaps: str = ""


_KINDS: Final = (
    Kind(
        *("email", "contact", "EMAIL_ADDRESS"),
        outright="e_?mails? e_?mail_?addr(?:ess)? mail_?address correo courriel adresse_?mail",
        perhaps="mail login user_?name contact recipient sender from to",
    ),
    Kind(
        *("phone", "contact", "PHONE_NUMBER"),
        outright="(?:tele)?phones?(?:_?(?:no|nr|number|num|home|work|mobile))? "
        "mobile(?:_?(?:no|nr|number))? msisdn landline "
        "cell(?:_?phone)? telefon\\w* tel(?:_?(?:no|nr))? handy(?:nummer)? telefono movil celular telefone "
        "portable gsm fax",
        perhaps="contact caller callback sms whatsapp",
    ),
    Kind(
        *("given_name", "name", "GIVEN_NAME"),
        outright="(?:given|first|fore|middle|nick)_?names? fname vorname prenom nombre voornaam nome_proprio imie",
        perhaps="name nombre nome call_?name salutation",
    ),
    Kind(
        *("family_name", "name", "FAMILY_NAME"),
        outright="(?:family|last|sur|maiden)_?names? lname nachname familienname nom_de_famille apellidos? "
        "cognome "
        "achternaam sobrenome nazwisko",
        perhaps="name nom",
    ),
    Kind(
        *("full_name", "name", "FULL_NAME"),
        outright="(?:full|display|contact|customer|client|person|cardholder|holder|recipient|passenger|guest|patient|employee|"
        "billing|shipping|ship_?to|owner|member|user|account_?holder)_?name card_?holder holder",
        perhaps="name nom recipient customer contact passenger guest patient employee owner author agent "
        "assignee "
        "created_by signed_by who person member client",
    ),
    Kind(
        *("birth_date", "birth", "BIRTH_DATE"),
        outright="birth_?dates? date_?of_?birth dob born birth_?day bday geburts(?:datum|tag) geb_?datum "
        "date_?naissance "
        "naissance fecha_?(?:de_?)?nacimiento nacimiento data_?(?:di_?)?nascita nascita data_?nascimento "
        "geboortedatum "
        "birth_?year year_?of_?birth",
    ),
    Kind(
        *("street", "contact", "STREET"),
        outright="street(?:_?(?:address|name|line))? addr(?:ess)?_?(?:line_?)?[12] "
        "(?:home|postal|billing|shipping|mailing)_?addr"
        "(?:ess)? strasse stra(?:ss|ß)e anschrift direccion domicilio indirizzo endereco straat",
        perhaps="address addr adresse adres line_?1 line_?2 rue via calle destination",
    ),
    Kind(
        *("city", "location", "CITY"),
        outright="city suburb town stadt wohnort ort ville ciudad citta cidade woonplaats plaats locality municipality",
    ),
    Kind(
        *("postcode", "location", "POSTCODE"),
        outright="zip(?:_?code)? post(?:al)?_?code plz postleitzahl code_?postal codigo_?postal cap cep "
        "pin_?code eircode",
        perhaps="postal post",
    ),
    Kind(
        *("national_id", "official", "NATIONAL_ID"),
        outright="ssn soc_?sec(?:_?(?:id|no|nr))? social_?security(?:_?(?:no|nr|number))? "
        "national_?(?:id|insurance)(?:_?(?:no|nr|number))? nino sin tax_?id "
        "tin steuer_?id(?:nr|entifikationsnummer)? personal_?(?:code|number) personnummer bsn nif nie dni "
        "nir pesel cpf curp cnp "
        "egn aadhaar pan(?:_?no)? codice_?fiscale insee nhs(?:_?(?:no|number))? cpr hetu rrn",
        perhaps="passport id_?(?:no|nr|number|card) document_?(?:no|number)",
    ),
    Kind(*("iban", "payment", "IBAN_CODE"), outright="iban bank_?account", perhaps="account konto"),
    Kind(
        *("credit_card", "payment", "CREDIT_CARD"),
        outright="credit_?card(?:_?(?:no|nr|number))? card_?number cc_?(?:no|num|number) pan",
        perhaps="card",
    ),
    Kind(
        *("ip_address", "device", "IP_ADDRESS"),
        outright="ip(?:_?addr(?:ess)?)? ip_?v?[46] client_?ip remote_?addr(?:ess)?",
        perhaps="host remote",
    ),
    Kind(
        *("geo_position", "location", "GEO_POSITION"),
        outright="lat(?:itude)? lon(?:g(?:itude)?)? lng geo(?:_?(?:point|position|location))? gps "
        "coord(?:inate)?s? lat_?l(?:on|ng)",
        perhaps="position location",
    ),
    Kind(
        *("cookie", "device", "COOKIE_ID"),
        outright="cookies?(?:_?id)? anonymous_?id visitor_?id client_?id browser_?id ga_?(?:client_?)?id fbp fbc _ga",
        perhaps="session_?id visitor anonymous",
    ),
    Kind(
        *("device", "device", "DEVICE_ID"),
        outright="device_?(?:id|token|identifier) idfa idfv gaid adid advertising_?id maid imei "
        "mac(?:_?addr(?:ess)?)? "
        "android_?id push_?token fingerprint",
        perhaps="device serial",
    ),
    Kind(
        *("customer", "code", "CUSTOMER_CODE"),
        outright="(?:customer|cust|client|patient|member|subscriber|person|contact|guest|kunden?|cliente|klant)"
        "_?(?:id|no|nr|num|number|code|key|nummer)",
        perhaps="customer client member subscriber",
    ),
    Kind(
        *("account", "code", "ACCOUNT_CODE"),
        outright="(?:account|user|login|profile|acct)_?(?:id|no|nr|num|number|code|key)",
        perhaps="account user login user_?name",
    ),
    Kind(
        *("loyalty", "code", "LOYALTY_CODE"),
        outright="(?:loyalty|bonus|reward|membership|club|frequent_?flyer)\\w*?(?:_?(?:id|no|nr|num|number|code|card))+"
        " loyalty card_?(?:no|nr|id)",
        perhaps="card membership rewards",
    ),
    Kind(
        *("digest", "contact", "DIGEST"),
        outright="(?:e_?mail|phone|mail|user)_?(?:hash|hashed|sha|sha256|md5|digest) "
        "(?:hashed?|sha256|md5)_?(?:e_?mail|phone)",
    ),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _KINDS}
FREE_TEXT: Final = "free_text"
# A column that is called so holds things, not people, unless its own name says otherwise.
_THINGS: Final = re.compile(
    r"(?:^|_)(?:products?|items?|skus?|brands?|categor(?:y|ies)|compan(?:y|ies)|stores?|shops?|campaigns?|files?|events?|"
    r"pages?|colou?rs?|departments?|status|types?|currenc(?:y|ies)|models?|series|teams?|organi[sz]ations?|vendors?|suppliers?|"
    r"orders?|invoices?|receipts?|baskets?|prices?|amounts?|totals?|cost|quantity|qty|ean|upc|gtin|isbn|versions?|build|"
    r"sha|hash|checksum|url|path|time|timestamp|created|updated|modified|city|country|state|region|month|weekday|"
    r"titles?|subject|topics?|plan|tariff|language|locale|unit|size|coupons?|message|transactions?|batch|serial|lot|host|"
    r"transmitted|sources?|apps?|librar(?:y|ies)|audiences?|gateways?|methods?|carriers?|metrics?|provinces?|shipped|delivered|opened|founded|released|published|parts?|tracking|reference|song|film|movie|book|album)"
    r"(?:_|$)"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WRAPPERS: Final = frozenset({"properties", "traits", "context", "data", "payload", "attributes", "fields"})


@lru_cache(maxsize=4096)
def worded(column: str) -> str:
    """Return a column's name in lower case, words joined by underscores: `context.traits.firstName` → first_name."""
    words = [w for w in re.split(r"[^0-9A-Za-zÀ-ÿ]+", _CAMEL.sub("_", column)) if w]
    kept = [w.lower() for w in words if w.lower() not in _WRAPPERS]
    return "_".join(kept or [w.lower() for w in words])


@lru_cache(maxsize=4096)
def named_for(column: str) -> dict[str, float]:
    """Return for which kinds a column's name speaks, and how strongly.

    The last words say what a column is, those before whose it is: `shipping_address_first_name` is no address.
    """
    name = worded(column)
    things = _THINGS.search(name) is not None
    last: dict[str, float] = {}
    before: dict[str, float] = {}
    for kind, (outright, perhaps) in _patterns().items():
        strong = max((match.end() for match in outright.finditer(name)), default=-1) if outright else -1
        if strong >= len(name):
            last[kind] = OUTRIGHT
        elif perhaps is not None and not things and any(m.end() >= len(name) for m in perhaps.finditer(name)):
            last[kind] = PERHAPS
        elif (strong >= 0 and not things) or (perhaps is not None and not things and perhaps.search(name)):
            before[kind] = PERHAPS
    return last or before


@lru_cache(maxsize=4096)
def named_for_things(column: str) -> bool:
    """Say whether a column's name speaks of things and of no kind of personal data outright."""
    return bool(_THINGS.search(worded(column))) and OUTRIGHT not in named_for(column).values()


@lru_cache(maxsize=1)
def _patterns() -> dict[str, tuple[re.Pattern[str] | None, re.Pattern[str] | None]]:
    return {kind.name: (_pattern(kind.outright), _pattern(kind.perhaps)) for kind in _KINDS}


def _pattern(words: str) -> re.Pattern[str] | None:
    # What stands behind may say which one it is, and no more.
    which = r"(?:_?(?:[0-9]+|raw|value|text|primary|secondary|main|alt|fake|new|old|home|work|private|clean|norm))*$"
    return re.compile(rf"(?:^|_)(?:{'|'.join(words.split())})(?:{which}|(?=_))") if words else None
