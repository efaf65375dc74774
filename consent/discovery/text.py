"""Personal data in free text, found by Presidio without a language model or network.

This is the only file that knows Presidio.
"""

import os
from functools import lru_cache
from typing import Any, Final

import phonenumbers

from consent.discovery.persons import suffixes

# Below this Presidio's patterns guess (a nine-digit article number as a bank account, 0.05); the research note
# measured that order numbers stay under it as well.
_THRESHOLD: Final = 0.4
# One text must not hold up a load: patterns that take longer than this many seconds give up on it.
_SECONDS: Final = "2"

# Ten digits alone are an order number more often than a telephone: a plus, brackets, a separator or a word must tell.
_PHONES: Final = {
    "international": r"(?<![\w.+-])\+\d[\d ().-]{6,18}\d(?![\w-])",
    "with area code in brackets": r"(?<![\w.+-])(?:\d[ .-]?)?\(\d{2,5}\)[ .-]?\d[\d .-]{4,12}\d(?![\w-])",
    "separated": r"(?<![\w.+-])(?:\d[ .-])?\d{2,5}(?:[ .-]\d{2,5}){1,4}(?![\w-])",
    "told": r"(?<=\b(?:call|ring|phone|tel|mobile|cell|text|dial|number)\b[ \w:.#]{0,15}\b)\d{10}\b",
}


@lru_cache(maxsize=4)
def _engine(region: str) -> Any:
    """Return the analyser, built once a worker process and only where free text is met (0.4 s)."""
    os.environ.setdefault("REGEX_TIMEOUT_SECONDS", _SECONDS)  # noqa: TID251 - presidio reads it at import, nowhere else
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415 - after the timeout is set
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: PLC0415

    nlp = {"nlp_engine_name": "no_op", "models": [{"lang_code": "en", "model_name": "no_op"}]}
    registry = RecognizerRegistry(recognizers=_recognisers(region), supported_languages=["en"])
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=NlpEngineProvider(nlp_configuration=nlp).create_engine(),
        supported_languages=["en"],
        default_score_threshold=_THRESHOLD,
    )


def _recognisers(region: str) -> list[Any]:
    from presidio_analyzer import Pattern, PatternRecognizer  # noqa: PLC0415
    from presidio_analyzer.predefined_recognizers import (  # noqa: PLC0415
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        UsSsnRecognizer,
    )

    class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]
        """Presidio's, with the public suffix list that ships with tldextract: the default one asks the network."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(suffixes()(pattern_text).top_domain_under_public_suffix)

    class PhoneNumberRecognizer(PatternRecognizer):  # type: ignore[misc]
        """Candidates by one pattern, then the numbering plan; Presidio's own tries eight plans, ten times slower."""

        def validate_result(self, pattern_text: str) -> bool:
            try:
                number = phonenumbers.parse(pattern_text, region)
            except phonenumbers.NumberParseException:
                return False
            return bool(phonenumbers.is_possible_number(number))

    phone = PhoneNumberRecognizer("PHONE_NUMBER", patterns=[Pattern(n, p, 0.6) for n, p in _PHONES.items()])
    return [
        OfflineEmailRecognizer(),
        phone,
        CreditCardRecognizer(),
        IbanRecognizer(),
        UsSsnRecognizer(),
        IpRecognizer(),
    ]


def findings(text: str, region: str) -> list[tuple[int, int, str]]:
    """Return where a text holds personal data and of which kind, left to right, the surest where two overlap."""
    found = _engine(region).analyze(text=text, language="en")
    kept: list[tuple[int, int, str]] = []
    for result in sorted(found, key=lambda r: (-r.score, r.start - r.end, r.start, r.entity_type)):
        if all(result.end <= start or result.start >= end for start, end, _ in kept):
            kept.append((result.start, result.end, result.entity_type))
    return sorted(kept)


def redacted(text: str, region: str) -> tuple[str, tuple[str, ...]]:
    """Return a text with each finding replaced by its kind in square brackets, and the kinds found."""
    found = findings(text, region)
    for start, end, kind in reversed(found):
        text = f"{text[:start]}[{kind}]{text[end:]}"
    return text, tuple(sorted({kind for _, _, kind in found}))


def kinds_in(text: str, region: str) -> tuple[str, ...]:
    """Return the kinds of personal data in a text, each once."""
    return tuple(dict.fromkeys(kind for _, _, kind in findings(text, region)))
