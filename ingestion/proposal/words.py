"""What columns and files are called, in several languages: a declared vocabulary of roles. Pure.

The kinds of personal data have names of their own in `consent.discovery.kinds`; these are the roles beside them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from consent.discovery.kinds import worded

# Words of a column's name (an underscore between words), the likeliest first.
_ROLES: Final[Mapping[str, str]] = {
    # what else a record says of its person
    "given_name": "name_(?:first|given)(?:_name)?",
    "family_name": "name_(?:last|family|sur)(?:_?name)?",
    "full_name": "name_(?:full|display)(?:_name)?",
    "birth_place": "birth_?place place_?of_?birth birth_?(?:city|town) home_?town geburtsort lieu_?(?:de_?)?naissance "
    "lugar_?(?:de_?)?nacimiento luogo_?(?:di_?)?nascita geboorteplaats",
    "gender": "gender sex geschlecht anrede_?geschlecht sexe sexo sesso genero genre geslacht",
    "middle_name": "middle_?(?:name|initial)s? second_?name zweiter_?vorname deuxieme_?prenom segundo_?nombre",
    "suffix": "(?:name_?)?suffix namenszusatz generation",
    "country": "country(?:_?(?:code|name|iso\\d?))? land(?:eskuerzel)? pays pais paese nation",
    # when it was so, when it happened
    "updated": "(?:last_?)?(?:updated?|modified|changed|edited|synced|seen|active|verified)(?:_?(?:at|on|date|time|ts|"
    "timestamp))? valid_?from as_?of geaendert(?:_?am)? aktualisiert(?:_?am)? modifie(?:_?le)? actualizado "
    "modification_?date observed_?at stand aenderungsdatum",
    "created": "(?:created?|creation|registered|registration|sign(?:ed)?_?up|enrol?led|joined|subscribed|opened|added|"
    "inserted|imported|entry|customer_?since|member_?since)(?:_?(?:at|on|date|time|ts|timestamp))? since "
    "erstellt(?:_?am)? angelegt(?:_?am)? cree(?:_?le)? creado(?:_?en)? creato(?:_?il)? anlagedatum eintritt",
    "occurred": "(?:occurred|happened|event|visit|session|click|view|order(?:ed)?|purchased?|bought|transaction|trans|"
    "txn|sold|sale|sales|invoice|receipt|paid|payment|placed|booked|booking|redeemed|redemption|sent|received|"
    "processed|activity|action|log(?:ged)?|call|ticket|started?|posted|shipped|delivery|usage|server|client|original)"
    "_?(?:at|on|date|time|datetime|ts|timestamp|day) time_?stamp ts datetime date_?time event_?time when_?at "
    "zeitpunkt zeitstempel bestelldatum bestellt_?am kaufdatum rechnungsdatum belegdatum buchungsdatum horodatage "
    "date_?(?:de_?)?(?:commande|achat|vente) fecha_?(?:de_?)?(?:pedido|compra|venta) data_?(?:ordine|acquisto|pedido)",
    "date": "date time datum day tag uhrzeit fecha data jour dia giorno",
    "not_yet": "(?:.*_)?(?:due|expir\\w*|valid_?(?:to|until)|end(?:ed|s)?|closed?|cancel\\w*|deleted|until|deadline|"
    "next|eta|estimated|expected|best_before|renewal)(?:_?(?:at|on|date|time|ts))?",
    # what happened
    "event_name": "event(?:_?(?:name|type|action|kind))? action(?:_?(?:name|type))? activity(?:_?(?:name|type))? verb "
    "interaction(?:_?type)? ereignis evenement evento topic",
    "event_type": "type event_?type message_?type kind typ art",
    "channel": "(?:sales_?)?channel kanal canal canale medium",
    # what was bought
    "order_id": ""
    "(?:order|purchase|basket|invoice|receipt|transaction|trans|txn|sale|sales_?order|booking|checkout|cart)"
    "_?(?:id|no|nr|num|number|code|key|ref|reference) (?:bestell|auftrags|rechnungs|beleg|bon)_?(?:nr|nummer|id) "
    "(?:no|num|numero)_?(?:de_?)?(?:commande|facture|pedido|factura|ordine|fattura) id_?(?:commande|pedido|ordine)",
    "product_id": "(?:product|item|article|stock|sku|variant|material|isbn|ean|upc|gtin|asin)_?(?:id|no|nr|num|number|"
    "code|key)? sku artikel_?(?:nr|nummer|id) produkt_?(?:id|nr) "
    "id_?(?:producto|produit|prodotto|articulo) stock_?code",
    "quantity": "(?:total_?)?(?:quantity|qty|quantities|units|pieces|menge|anzahl|stueck|quantite|cantidad|quantita|"
    "quantidade|aantal)(?:_?(?:sold|ordered|bought|purchased))? item_?count",
    "amount": "(?:sales_?value|total_?(?:price|amount|value|paid|sum)?|grand_?total|line_?total|order_?(?:total|value|"
    ""
    "amount)|amount(?:_?(?:paid|total|due))?|net_?amount|revenue|turnover|sales|price_?total|payment_?value|dollars|spend|"
    "betrag|gesamt(?:betrag|preis|summe)?|umsatz|summe|montant(?:_?total)?|importe|importo|valor|totale|bedrag)"
    "(?:_?(?:usd|eur|gbp|net|gross|brutto|netto))?",
    "price": "(?:unit_?|item_?|list_?|retail_?)?(?:price|preis|prix|precio|prezzo|preco|prijs|cost)",
    "coupon": "(?:coupon|voucher|promo(?:tion)?|discount)_?(?:code|id|no|upc)? gutschein(?:_?(?:code|nr))?",
    "campaign": "(?:campaign|kampagne|campagne|campana)(?:_?(?:id|code|name|key))? utm_?campaign",
    # consent
    "purpose": "(?:consent_?)?(?:purpose|zweck|finalite|finalidad)(?:_?(?:id|name|code))?",
    "consent_action": "(?:consent_?)?(?:action|decision|status|state|choice|einwilligung)",
    "mechanism": "(?:consent_?)?(?:mechanism|method|source|collected_?(?:by|via))",
    "jurisdiction": "jurisdiction law_?region",
    "notice": "(?:privacy_?)?(?:notice|policy)(?:_?version)?",
    "consent_flag": ""
    "(?:.*_)?(?:opt_?(?:in|out)|consent\\w*|subscribed|accepts?_?\\w*marketing\\w*|newsletter|unsubscribed|"
    "do_?not_?(?:call|mail|email|contact|sell)|gdpr\\w*|marketing_?(?:state|permission|allowed)|einwilligung)"
    "(?:_?\\w*)?",
    # what a row is called
    "id": "id uid uuid guid key pk ref reference code no nr num number nummer numero rec(?:ord)?_?(?:id|no) row_?id "
    "(?:unique_?)?id identifier kennung schluessel external_?id \\w+_(?:id|no|nr|num|number|key|code|uuid|guid)",
    "household": "(?:household|family|haushalt|foyer|hogar|hshd|hh)_?(?:id|no|nr|number|key|num|code)?",
    "session": "(?:session|visit)_?(?:id|key|no|uuid)",
}
# A column that is called so speaks of somebody else than the row's own person.
_OTHERS: Final = (
    "emergency referr\\w+ referral agent employee staff assigned\\w* assignee manager seller sales_?(?:rep|person|man) "
    "created_?by modified_?by updated_?by approved_?by signed_?by author spouse partner parent mother father guardian "
    "next_?of_?kin supplier vendor recipient gift\\w* driver doctor physician support reviewer operator "
    "cashier from_?name "
    "to_?name reply_?to cc bcc vertreter sachbearbeiter betreuer"
)
# Of several addresses of one person the earlier is the better guess at where they live.
_HOME: Final = ("home", "residential", "billing", "invoice", "default", "primary", "main", "")
_AWAY: Final = re.compile(
    r"(?:^|_)(?:shipping|delivery|ship_?to|work|office|company|store|shop|origin|destination|pickup)_"
)

# What a file is called, singular or plural.
_FILES: Final[Mapping[str, str]] = {
    "customer": "customers? clients? buyers? shoppers? contacts? people persons? kunden? clientes? guests? patients? "
    "leads? "
    "crm consumers? individuals? subscribers? abonnenten profiles? demographics? donors? students? citizens?",
    "account": "accounts? users? logins? konten utilisateurs? usuarios?",
    "loyalty": "loyalty members? memberships? cards? bonus rewards? mitglieder",
    "purchase": "orders? purchases? sales? transactions? receipts? invoices? baskets? tills? pos "
    "order_?(?:lines?|items?) "
    "bestellungen kaeufe rechnungen belege commandes? achats? ventes? pedidos? compras? ordini acquisti lines?",
    "happening": "events? clicks?(?:_?streams?)? visits? sessions? logs? activit(?:y|ies) views? page_?views? "
    "tickets? calls? "
    "redemptions? payments? refunds? returns? reviews? messages? interactions? web app helpdesk bookings? tracks?",
    "consent": "consents? opt_?(?:ins?|outs?) permissions? preferences? einwilligungen",
    "thing": "locations? warehouses? venues? products? items? articles? skus? catalog(?:ue)? "
    "categor(?:y|ies) stores? shops? branches campaigns? "
    "coupons? "
    "promotions? metrics? flows? prices? produkte artikel filialen produits? productos? prodotti",
}


@lru_cache(maxsize=8192)
def roles_of(column: str) -> tuple[str, ...]:
    """Return the roles that a column's whole name speaks for, in the order of the vocabulary."""
    name = last_words(column)
    return tuple(role for role, pattern in _patterns().items() if pattern.fullmatch(name))


@lru_cache(maxsize=8192)
def place_of(column: str, role: str) -> int:
    """Return how far behind a column's name stands among the words of a role; the first is the likeliest."""
    name = last_words(column)
    found = (n for n, word in enumerate(_ROLES[role].split()) if re.fullmatch(word, name))
    return next(found, len(_ROLES[role]))


@lru_cache(maxsize=8192)
def last_words(column: str) -> str:
    """Return a column's name in lower case without signs on letters; of a path the step that says what it is."""
    whole = _plain(worded(column))
    if "." not in column:
        return whole
    *above, last = column.split(".")
    name = _plain(worded(last))
    if above[-1].lower() == "name":
        return f"name_{name}"
    # `properties.product_id` says enough; `device.id` needs what stands before
    return f"{_plain(worded(above[-1]))}_{name}" if name in ("id", "key", "name", "type", "value", "code") else name


@lru_cache(maxsize=8192)
def speaks_of_others(column: str) -> bool:
    """Say whether a column's name speaks of somebody else than the person whose row it is."""
    return bool(_others().search(_plain(worded(column))))


def nearness(column: str) -> int:
    """Return how near to a person's home a column's name says that it is: the lower, the nearer."""
    name = _plain(worded(column))
    if _AWAY.search(f"{name}_"):
        return len(_HOME)
    return next(n for n, word in enumerate(_HOME) if name.startswith(word))


@lru_cache(maxsize=1024)
def file_speaks(name: str) -> tuple[str, ...]:
    """Return what a file's name speaks for; its last word counts before the others."""
    words = [w for w in re.split(r"[_\d]+", _plain(worded(name))) if w]
    tries = ["_".join(words[-2:]), *reversed(words)]
    found = (kind for text in tries for kind, pattern in _file_patterns().items() if pattern.fullmatch(text))
    return tuple(dict.fromkeys(found))


def singular(name: str) -> str:
    """Return a name of many as that of one, as far as a rule tells: `order_lines` → `order_line`."""
    if name.endswith("ies") and len(name) > len("ties"):
        return f"{name[:-3]}y"
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us", "is")) else name


def _plain(name: str) -> str:
    table = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}
    spelled = "".join(table.get(c, c) for c in name)
    return "".join(_unsigned(c) for c in spelled)


def _unsigned(character: str) -> str:
    return _SIGNS.get(character, character)


_SIGNS: Final = {
    signed: plain
    for plain, several in {"a": "àáâãå", "e": "èéêë", "i": "ìíîï", "o": "òóôõø", "u": "ùúû", "c": "ç", "n": "ñ"}.items()
    for signed in several
}


@lru_cache(maxsize=1)
def _patterns() -> Mapping[str, re.Pattern[str]]:
    return {role: re.compile("|".join(f"(?:{word})" for word in words.split())) for role, words in _ROLES.items()}


@lru_cache(maxsize=1)
def _file_patterns() -> Mapping[str, re.Pattern[str]]:
    return {kind: re.compile("|".join(f"(?:{word})" for word in words.split())) for kind, words in _FILES.items()}


@lru_cache(maxsize=1)
def _others() -> re.Pattern[str]:
    return re.compile(rf"(?:^|_)(?:{'|'.join(_OTHERS.split())})(?:_|$)")
