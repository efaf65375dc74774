"""The colours of the pages: whatever is text can be read on whatever lies below it, by day and by night."""

import re
from pathlib import Path

import pytest

import api.http.console

CSS = (Path(api.http.console.__file__).parent / "console.css").read_text(encoding="utf-8")
TEXT, GROUND = ("ink", "soft", "faint", "accent", "good", "bad"), ("paper", "sheet", "wash")
PAIRS = [(text, ground) for text in TEXT for ground in GROUND]
MORE = [("good", "good-wash"), ("bad", "bad-wash"), ("accent-ink", "accent"), ("paper", "ink"), ("sheet", "bad")]


def colours(night: bool) -> dict[str, str]:  # noqa: FBT001
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    return found | (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[1])) if night else {})


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("night", [False, True])
@pytest.mark.parametrize(("text", "ground"), PAIRS + MORE)
def test_text_has_the_contrast_that_wcag_asks_for(text: str, ground: str, night: bool) -> None:  # noqa: FBT001
    known = colours(night)
    dark, light = sorted((luminance(known[text]), luminance(known[ground])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_every_colour_is_a_variable_and_focus_is_seen() -> None:
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", rules) == []
    assert "outline: none" not in CSS
    assert ":focus-visible { outline: 2px solid" in CSS
