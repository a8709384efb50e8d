"""Small charts as SVG, readable on white and on black; no library, no script, no font of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, GAP = 720, 190, 24, 44
PLOT = WIDTH - LEFT - 90
HEIGHT = 150
STYLE = """\
svg { --ink: #1f2933; --soft: #66727f; --rule: #d5dbe1; --mark: #2f6f8f; --other: #a9b8c4; --bar: #b4462f;
  font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6eaee; --soft: #9aa7b3; --rule: #3a4550; --mark: #7cc0de; --other: #56646f; --bar: #f0907a; }
}
text { fill: var(--ink); } .soft { fill: var(--soft); } .title { font-weight: 600; }
.ours { fill: var(--mark); } .theirs { fill: var(--other); } .rule { stroke: var(--rule); }
.limit { stroke: var(--bar); stroke-dasharray: 4 3; } .limit-text { fill: var(--bar); }
.line { fill: none; stroke-width: 2; } .line-0 { stroke: var(--mark); } .line-1 { stroke: var(--soft); }
.end { text-anchor: end; } .middle { text-anchor: middle; }"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows of a name and a value. `limit` is drawn across, where there is one."""

    title: str
    unit: str
    rows: Sequence[tuple[str, float]]
    limit: float | None = None

    @property
    def height(self) -> int:
        return 34 + ROW * len(self.rows) + (18 if self.limit else 0)

    def draw(self, top: int) -> list[str]:
        most = max([value for _, value in self.rows] + [self.limit or 0]) or 1
        parts = [_text(0, top + 14, self.title, "title"), _text(WIDTH, top + 14, self.unit, "soft end")]
        for number, (name, value) in enumerate(self.rows):
            y = top + 28 + number * ROW
            kind = "ours" if name.startswith("product") else "theirs"
            parts.append(_text(LEFT - 10, y + 13, name, "end"))
            parts.append(
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{PLOT * value / most:.1f}" height="16"/>'
            )
            parts.append(_text(LEFT + 8 + PLOT * value / most, y + 13, _number(value), "soft"))
        if self.limit:
            x, bottom = LEFT + PLOT * self.limit / most, top + 28 + ROW * len(self.rows)
            parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 22}" y2="{bottom}"/>')
            parts.append(_text(x, bottom + 12, f"bar {_number(self.limit)}", "limit-text middle"))
        return parts


@dataclass(frozen=True, slots=True)
class Lines:
    """One line per name, over the same two axes, both from 0."""

    title: str
    x_unit: str
    y_unit: str
    lines: dict[str, Sequence[Point]]

    @property
    def height(self) -> int:
        return HEIGHT + 70

    def draw(self, top: int) -> list[str]:
        points = [point for line in self.lines.values() for point in line]
        right, high = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
        floor, width = top + 34 + HEIGHT, WIDTH - 130
        parts = [_text(0, top + 14, self.title, "title"), _text(WIDTH, top + 14, self.y_unit, "soft end")]
        for part in (0.0, 0.5, 1.0):
            y = floor - HEIGHT * part
            parts.append(f'<line class="rule" x1="60" x2="{60 + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(_text(52, y + 4, _number(high * part), "soft end"))
        for number, (name, line) in enumerate(self.lines.items()):
            path = " ".join(f"{60 + width * x / right:.1f},{floor - HEIGHT * y / high:.1f}" for x, y in line)
            parts.append(f'<polyline class="line line-{number % 2}" points="{path}"/>')
            x, y = line[-1]
            parts.append(_text(66 + width * x / right, floor - HEIGHT * y / high + 4, name, "soft"))
        parts.append(_text(60, floor + 18, "0", "soft middle"))
        parts.append(_text(60 + width, floor + 18, f"{_number(right)} {self.x_unit}", "soft end"))
        return parts


Chart = Bars | Lines


def page(heading: str, charts: Sequence[Chart]) -> str:
    """All charts, one below the other, as one SVG document."""
    parts, top = [_text(0, 16, heading, "soft")], GAP
    for chart in charts:
        parts += chart.draw(top)
        top += chart.height + GAP
    box = f'viewBox="-12 -8 {WIDTH + 24} {top}" width="{WIDTH + 24}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box}>\n<title>{escape(heading)}</title>'
    return "\n".join([head, f"<style>\n{STYLE}\n</style>", *parts, "</svg>\n"])


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
