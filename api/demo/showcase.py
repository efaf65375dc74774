"""The people of the printed tour: one who is six records, one who said yes, and a father and son of one name."""

from dataclasses import replace
from datetime import date

from api.demo.directory import Directory
from api.demo.model import Address, Footprint, Household, Person

SIX_MAIL, SIX_OLD_MAIL = "margaret.whitcombe@example.org", "m.oyelaran@example.com"
PLAIN_MAIL = "tomas.lindqvist@example.net"
SENIOR_MAIL, JUNIOR_MAIL = "robert.featherstone@example.com", "rob.featherstone88@example.org"
_HOME = Address("214 Foxglove Lane", "Harlow Creek", "43017")
_BEFORE = Address("77 Depot Street Apt 9", "Cranmoor", "44231")
_PLACE = {"address": _HOME.street, "city": _HOME.city, "zip": _HOME.postcode}
_FATHERS = Address("1530 Quarry Road", "Loudon Mills", "45022")


def reserve(directory: Directory) -> None:
    """Keep the tour's mailboxes, so that nobody of the same name gets one."""
    for mailbox in (SIX_MAIL, SIX_OLD_MAIL, PLAIN_MAIL, SENIOR_MAIL, JUNIOR_MAIL):
        directory.claim(*mailbox.split("@"))


def cast(household: Household, directory: Directory) -> Household:
    """Return the household with the tour's people in it, where it is one of the three; else as it is."""
    people = household.people
    if household.position == 0:
        head = _six(people[0], directory)
        return replace(household, people=(head, *(_at_home(p, head) for p in people[1:])))
    if household.position == 1:
        return replace(household, people=(_plain(people[0], directory), *people[1:]))
    if household.position == 2:
        senior, junior = _father_and_son(people[0], people[-1], directory)
        return replace(household, people=(senior, *(_at_home(p, senior) for p in people[1:-1]), junior))
    return household


def _at_home(person: Person, head: Person) -> Person:
    """Let the others of the house have its address and name, but no mailbox or phone of the head's."""
    traces = replace(person.traces, till_card=(person.traces.cards or (None,))[-1])
    return replace(
        person, family=head.family, former_family=None, address=head.address, former_address=None,
        landline=head.landline, traces=traces,
    )  # fmt: skip


def _phone_and_card(person: Person, directory: Directory) -> tuple[str, str]:
    position, index = divmod(person.number, 16)
    return directory.phone(position, index * 2 + 1), "28" + directory.code("card", person.number * 2, 10)


def _six(person: Person, directory: Directory) -> Person:
    mobile, card = _phone_and_card(person, directory)
    account = "W" + directory.code("account", person.number * 2, 7)
    return replace(
        person, given="Margaret", family="Whitcombe", former_family="Oyelaran", nickname="Peggy", suffix=None,
        gender="F", birth_date=date(1984, 3, 9), address=_HOME, former_address=_BEFORE, mobile=mobile,
        former_mobile=None, landline=None, emails=(SIX_MAIL, SIX_OLD_MAIL), script="six",
        traces=Footprint(
            crm=2, cards=(card,), till_card=card, accounts=(account,), guest_orders=1, subscriptions=1,
            cookies=person.traces.cookies[:1], online=0.15,
        ),
    )  # fmt: skip


def _plain(person: Person, directory: Directory) -> Person:
    mobile, card = _phone_and_card(person, directory)
    account = "W" + directory.code("account", person.number * 2, 7)
    return replace(
        person, given="Tomas", family="Lindqvist", former_family=None, nickname="Tom", suffix=None, gender="M",
        birth_date=date(1979, 8, 21), mobile=mobile, former_mobile=None, landline=None, emails=(PLAIN_MAIL,),
        former_address=None, script="plain",
        traces=Footprint(
            crm=1, cards=(card,), till_card=card, accounts=(account,), subscriptions=1,
            cookies=person.traces.cookies[:1], online=0.25,
        ),
    )  # fmt: skip


def _father_and_son(father: Person, son: Person, directory: Directory) -> tuple[Person, Person]:
    landline = directory.phone(father.number // 16, 0)
    out = []
    for person, born, suffix, mailbox in (
        (father, date(1961, 5, 17), "Sr", SENIOR_MAIL), (son, date(1988, 11, 2), "Jr", JUNIOR_MAIL),
    ):  # fmt: skip
        mobile, card = _phone_and_card(person, directory)
        account = "W" + directory.code("account", person.number * 2, 7)
        out.append(
            replace(
                person, given="Robert", family="Featherstone", former_family=None, nickname="Rob", suffix=suffix,
                gender="M", birth_date=born, address=_FATHERS, former_address=None, mobile=mobile,
                former_mobile=None, landline=landline, emails=(mailbox,), script=suffix,
                traces=Footprint(crm=1, cards=(card,), till_card=card, accounts=(account,), online=0.1),
            )
        )  # fmt: skip
    return out[0], out[1]


def scripted(person: Person, source: str, nth: int) -> dict[str, object]:
    """Return the values that the tour needs in the nth row of a source about this person; for others nothing."""
    rows = _SCRIPTS.get((person.script or "", source), ())
    return _with_phone(person, rows[nth]) if nth < len(rows) else {}


def _with_phone(person: Person, values: dict[str, object]) -> dict[str, object]:
    return {k: person.mobile if v == "MOBILE" else person.landline if v == "LANDLINE" else v for k, v in values.items()}


_SCRIPTS: dict[tuple[str, str], tuple[dict[str, object], ...]] = {
    ("six", "crm"): (
        {
            "first_name": "Margaret", "last_name": "Oyelaran", "suffix": None, "dob": "1984-03-09", "sex": "F",
            "email": SIX_OLD_MAIL, "mobile": "MOBILE", "landline": None, "address": _BEFORE.street,
            "city": _BEFORE.city, "zip": _BEFORE.postcode, "created_at": "2016-02-11T10:20:00Z",
            "updated_at": "2016-02-11T10:20:00Z",
        },
        {
            "first_name": "Peggy", "last_name": "Whitcombe", "suffix": None, "dob": "1984-03-09", "sex": "F",
            "email": SIX_MAIL, "mobile": None, "landline": None, **_PLACE, "created_at": "2017-05-02T16:45:00Z",
            "updated_at": "2017-05-02T16:45:00Z",
        },
    ),
    ("six", "loyalty"): (
        {
            "holder": "Margaret Whitcombe", "born": "03/09/1984", "email": None, "phone": "MOBILE",
            "zip": _HOME.postcode, "enrolled_at": "2016-11-19T12:05:00Z",
        },
    ),
    ("six", "webshop_accounts"): (
        {
            "email": SIX_MAIL, "name": {"first": "Margaret", "last": "Whitcombe"}, "phone": "MOBILE",
            "birth_date": None,
            "default_address": {"street": "214 Foxglove Ln.", "city": _HOME.city, "zip": _HOME.postcode},
        },
    ),
    ("six", "webshop_guests"): (
        {
            "name": "Margret Whitcombe", "email": "margaret.whitcomb@example.org", "phone": "MOBILE",
            "street": _HOME.street, "city": _HOME.city, "zip": _HOME.postcode,
        },
    ),
    ("six", "newsletter"): ({"email": SIX_OLD_MAIL, "first_name": "Peggy"},),
    ("plain", "crm"): (
        {"first_name": "Tomas", "last_name": "Lindqvist", "dob": "1979-08-21", "email": PLAIN_MAIL, "mobile": "MOBILE"},
    ),
    ("plain", "webshop_accounts"): ({"email": PLAIN_MAIL, "phone": "MOBILE"},),
    ("plain", "newsletter"): ({"email": PLAIN_MAIL, "first_name": "Tomas"},),
    ("plain", "loyalty"): ({"holder": "Tomas Lindqvist", "phone": "MOBILE"},),
    ("Sr", "crm"): (
        {
            "first_name": "Robert", "last_name": "Featherstone", "suffix": None, "dob": "1961-05-17",
            "email": SENIOR_MAIL, "mobile": None, "landline": "LANDLINE", "address": _FATHERS.street,
            "city": _FATHERS.city, "zip": _FATHERS.postcode,
        },
    ),
    ("Jr", "crm"): (
        {
            "first_name": "Robert", "last_name": "Featherstone", "suffix": None, "dob": "1988-11-02",
            "email": JUNIOR_MAIL, "mobile": None, "landline": "LANDLINE", "address": _FATHERS.street,
            "city": _FATHERS.city, "zip": _FATHERS.postcode,
        },
    ),
    ("Sr", "webshop_accounts"): ({"email": SENIOR_MAIL, "name": {"first": "Robert", "last": "Featherstone"}},),
    ("Jr", "webshop_accounts"): ({"email": JUNIOR_MAIL, "name": {"first": "Robert", "last": "Featherstone"}},),
}  # fmt: skip
