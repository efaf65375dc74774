"""A weight as a picture: one bar for each comparison, and where the sum stands after it. SVG and HTML, no script. Pure.

The page carries all it needs: nothing is fetched when it is looked at, so it can be filed with a complaint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from identity.explanation.explain import Why

_ROW, _LEFT, _PLOT, _RIGHT, _TOP = 30, 300, 500, 90, 34
_STYLE = """
:root { color-scheme: light dark; --ink: #1e2226; --soft: #5c646b; --rule: #d9d4c8; --paper: #fffefb; --plus: #0f766e;
  --minus: #b42318; --sum: #4b5563; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e6df; --soft: #a6adb3; --rule: #3a4147; --paper: #1c2024;
  --plus: #4fc3b5; --minus: #f28b80; --sum: #aab2ba; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 900px; margin: 32px auto;
  padding: 0 20px; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin-top: 2rem; } svg { width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); } svg .soft { fill: var(--soft); }
svg line { stroke: var(--rule); } svg .link { stroke: var(--soft); stroke-dasharray: 2 3; }
.plus { fill: var(--plus); } .minus { fill: var(--minus); } .sum { fill: var(--sum); } li { margin: 2px 0; }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One tie of a page: its heading and its weight."""

    heading: str
    why: Why


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return a whole HTML page with a waterfall and its sentences for each tie."""
    parts = [
        f"<section><h2>{escape(s.heading)}</h2>{svg(s.why)}<ul>"
        + "".join(f"<li>{escape(sentence)}</li>" for sentence in s.why.sentences)
        + "</ul></section>"
        for s in sections
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(lead)}</p>{''.join(parts)}</body></html>\n"
    )


def svg(why: Why) -> str:
    """Return the waterfall of one weight; its last bar is the sum."""
    totals = [step.total for step in why.steps]
    low, high = min(0.0, *totals, why.bits), max(0.0, *totals, why.bits)
    scale = _PLOT / ((high - low) or 1.0)

    def at(bits: float) -> float:
        return round(_LEFT + (bits - low) * scale, 1)

    rows = [
        _bar(n, step.comparison, step.level, (step.total - step.bits, step.total), at)
        for n, step in enumerate(why.steps)
    ]
    rows.append(_bar(len(why.steps), "together", f"{why.probability:.1%}", (0.0, why.bits), at, kind="sum"))
    height = _TOP + _ROW * len(rows) + 10
    zero = f'<line x1="{at(0)}" x2="{at(0)}" y1="{_TOP - 8}" y2="{height - 6}"/><text class="soft" x="{at(0)}" y="16" text-anchor="middle">0 bits</text>'
    told = f"A waterfall of {why.bits:+.1f} bits; the list below says the same"
    return f'<svg viewBox="0 0 {_LEFT + _PLOT + _RIGHT} {height}" role="img" aria-label="{told}">{zero}{"".join(rows)}</svg>'


def _bar(
    place: int, name: str, level: str, span: tuple[float, float], at: Callable[[float], float], kind: str = ""
) -> str:
    y = _TOP + place * _ROW
    begun, ended = span
    bits = ended - begun
    style = kind or ("plus" if bits >= 0 else "minus")
    x, width = min(at(begun), at(ended)), max(abs(at(ended) - at(begun)), 1.0)
    link = "" if kind else f'<line class="link" x1="{at(ended)}" x2="{at(ended)}" y1="{y + 20}" y2="{y + _ROW}"/>'
    label = escape(name.replace("_", " "))
    return (
        f'<text x="{_LEFT - 12}" y="{y + 14}" text-anchor="end">{label} <tspan class="soft">{escape(level)}</tspan></text>'
        f'<rect class="{style}" x="{x}" y="{y}" width="{round(width, 1)}" height="20" rx="3"/>'
        f'<text x="{max(at(begun), at(ended)) + 8}" y="{y + 14}">{bits:+.1f}</text>{link}'
    )
