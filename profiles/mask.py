"""Identifier and name values as anybody at a screen may see them: enough to recognise, too little to use."""

_SHOWN = 2


def masked_identifier(kind: str, value: str) -> str:
    """Return a value with its middle taken out: `m…@example.org`, `…67`."""
    if "@" in value:
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}…@{domain}"
    return f"…{value[-_SHOWN:]}" if len(value) > 2 * _SHOWN else f"{kind} …"


def initials(attributes: dict[str, str]) -> str:
    """Return a person's initials, or nothing where no name is known."""
    given, family = attributes.get("given_name", ""), attributes.get("family_name", "")
    if not (given or family):
        given, _, family = attributes.get("full_name", "").strip().rpartition(" ")
    return " ".join(f"{part[0].upper()}." for part in (given.strip(), family.strip()) if part)
