"""A model's charts as one page of HTML that fetches nothing: drawn here, in bars and lines, from counts alone.

Every figure stands as text beside its bar, so the page reads well without eyes, without colour and without a browser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from identity.matching.evidence import log_odds
from identity.matching.registry import MatchModel
from identity.modelling.modelbook import Figure, StoredModel, by_comparison, figures, one_in
from identity.modelling.portraits import Bin, Portrait

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_WIDTH, _HEIGHT = 880, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 24, 34


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that begins and ends somewhere on a line, both in per cent of it."""

    begin: float
    width: float


@dataclass(frozen=True, slots=True)
class Row:
    """A level with its bars: against strangers, against the household, m and u."""

    figure: Figure
    stranger: Bar
    home: Bar | None
    m: Bar
    u: Bar


@dataclass(frozen=True, slots=True)
class Box:
    """A column of a histogram, in the picture's units, with what it says."""

    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn chart: columns or a line, both axes, and borders (`merge`, `keep`) as upright lines."""

    boxes: tuple[Box, ...]
    line: str
    across: tuple[Mark, ...]
    upward: tuple[Mark, ...]
    borders: tuple[Mark, ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    top: int = _TOP
    foot: int = _HEIGHT - _BOTTOM


def page(stored: StoredModel, portrait: Portrait) -> str:
    """Return the page of a stored model: match weights, m and u, unlinkables, weights of pairs."""
    model = stored.model()
    reach = max(abs(bits) for bits in _all_bits(model))
    weighed = sum(b.count for b in portrait.pairs)
    records = sum(s.records for s in portrait.sources)
    unlinkable = sum(s.unlinkable for s in portrait.sources)
    return _TEMPLATES.get_template("model.html").render(
        stored=stored,
        prior=one_in(model.prior),
        prior_bits=log_odds(model.prior),
        prior_bar=_diverging(log_odds(model.prior), reach),
        home=model.one_person_at_home,
        comparisons=[(name, [_row(f, reach) for f in of]) for name, of in by_comparison(figures(model))],
        portrait=portrait,
        weighed=weighed,
        above=sum(b.count for b in portrait.pairs if b.bits >= portrait.merge),
        pairs=histogram(portrait.pairs, [(portrait.keep, "keep"), (portrait.merge, "merge")]),
        records=records,
        unlinkable=unlinkable,
        share=unlinkable / max(records, 1),
        selves=cumulative(portrait.selves, portrait.merge),
    )


def _all_bits(model: MatchModel) -> list[float]:
    known = figures(model)
    return [1.0, log_odds(model.prior), *(f.bits for f in known), *(f.bits_at_home or 0.0 for f in known)]


def _row(figure: Figure, reach: float) -> Row:
    home = figure.bits_at_home
    return Row(
        figure,
        _diverging(figure.bits, reach),
        None if home is None else _diverging(home, reach),
        Bar(0, round(100 * min(figure.m, 1), 2)),
        Bar(0, round(100 * min(figure.u, 1), 2)),
    )


def _diverging(bits: float, reach: float) -> Bar:
    """Return a bar from the middle to the right for what speaks for one person, to the left for what speaks against."""
    half = 50 * abs(bits) / reach
    return Bar(round(50 if bits >= 0 else 50 - half, 2), round(half, 2))


def histogram(bins: Sequence[Bin], borders: Sequence[tuple[float, str]]) -> Picture:
    """Return counts by weight as columns; they rise with the root of the count, or the few would be unseen."""
    if not bins:
        return Picture((), "", (), (), ())
    low, high = _span(bins, [at for at, _ in borders])
    most = max(b.count for b in bins)
    scale = _Scale(low, high, sqrt(most))
    boxes = tuple(
        Box(
            scale.x(b.bits),
            scale.y(sqrt(b.count)),
            round(scale.x(b.bits + 1) - scale.x(b.bits) - 1, 2),
            round(scale.y(0) - scale.y(sqrt(b.count)), 2),
            f"{b.count:,} from {b.bits} to {b.bits + 1} bits",
        )
        for b in bins
    )
    digit = 10 ** (len(str(most)) - 1)
    marks = dict.fromkeys(most // digit * digit // part for part in (1, 4, 16) if most >= part)
    upward = tuple(Mark(scale.y(sqrt(at)), f"{at:,}") for at in (*marks, 0))
    return Picture(boxes, "", scale.across(), upward, _borders(scale, borders))


def cumulative(bins: Sequence[Bin], merge: float) -> Picture:
    """Return the share of records whose own twin would weigh less, by weight, as a line of steps."""
    if not bins:
        return Picture((), "", (), (), ())
    low, high = _span(bins, [merge])
    scale = _Scale(low, high, 1)
    total, below = sum(b.count for b in bins), 0
    points = [f"M{scale.x(low)} {scale.y(0)}"]
    for b in bins:
        points.append(f"H{scale.x(b.bits + 1)}")
        below += b.count
        points.append(f"V{scale.y(below / total)}")
    points.append(f"H{scale.x(high)}")
    upward = tuple(Mark(scale.y(n / 4), f"{n * 25} %") for n in range(5))
    return Picture((), " ".join(points), scale.across(), upward, _borders(scale, [(merge, "merge")]))


def _span(bins: Sequence[Bin], borders: Sequence[float]) -> tuple[int, int]:
    """Return the weights that the picture reaches from and to, with both ends of every column and every border inside."""
    ends = [*(b.bits for b in bins), *(b.bits + 1 for b in bins), *(round(at) for at in borders)]
    return min(ends) - 1, max(ends) + 1


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a weight and a height lie in the picture."""

    low: float
    high: float
    top: float

    def x(self, value: float) -> float:
        """Return how far to the right."""
        wide = _WIDTH - _LEFT - _RIGHT
        return round(_LEFT + wide * (value - self.low) / (self.high - self.low), 2)

    def y(self, value: float) -> float:
        """Return how far down."""
        high = _HEIGHT - _TOP - _BOTTOM
        return round(_TOP + high * (1 - value / self.top), 2)

    def across(self) -> tuple[Mark, ...]:
        """Return the axis of weights, about ten marks at round numbers."""
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if (self.high - self.low) / s <= _MARKS or s == 1000)
        first = int(-(-self.low // step)) * step
        return tuple(Mark(self.x(at), f"{at:+d}" if at else "0") for at in range(first, int(self.high) + 1, step))


_MARKS = 12


def _borders(scale: _Scale, borders: Sequence[tuple[float, str]]) -> tuple[Mark, ...]:
    return tuple(Mark(scale.x(at), f"{name} {at:+g}") for at, name in borders)
