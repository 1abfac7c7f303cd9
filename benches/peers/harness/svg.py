"""Just enough SVG: charts that are readable on a light and on a dark page."""

from html import escape
from math import floor, log10

# A card with its own ground: readable on a light and on a dark page, also where the picture cannot know
# which of them it is on.
STYLE = """
text { font: 15px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.faint { fill: #59636e; font-size: 14px; }
.card { fill: #ffffff; stroke: #d1d9e0; }
.axis { stroke: #818b98; stroke-width: 1; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.line { stroke-width: 2; }
.c0 { fill: #0969da; stroke: #0969da; } .c1 { fill: #bf5a00; stroke: #bf5a00; }
.c2 { fill: #8250df; stroke: #8250df; } .c3 { fill: #6e7781; stroke: #6e7781; }
.c4 { fill: #8cb8e8; stroke: #8cb8e8; } .c5 { fill: #b6bdc5; stroke: #b6bdc5; }
.c6 { fill: #cbb2f0; stroke: #cbb2f0; }
.bar { stroke: none; } .line { fill: none; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .faint { fill: #9198a1; }
.card { fill: #0d1117; stroke: #3d444d; }
.axis { stroke: #656c76; } .grid { stroke: #3d444d; }
.c0 { fill: #4493f8; stroke: #4493f8; } .c1 { fill: #f0883e; stroke: #f0883e; }
.c2 { fill: #ab7df8; stroke: #ab7df8; } .c3 { fill: #8b949e; stroke: #8b949e; }
.c4 { fill: #1f4a80; stroke: #1f4a80; } .c5 { fill: #484f58; stroke: #484f58; }
.c6 { fill: #4d3780; stroke: #4d3780; }
.bar { stroke: none; } .line { fill: none; }
}
"""


class Drawing:
    """Shapes in the order they are added."""

    def __init__(self, width: float, height: float, description: str) -> None:
        self.width, self.height = width, height
        self.description = description
        self.shapes: list[str] = []

    def text(self, x: float, y: float, content: str, css: str = "", anchor: str = "start") -> None:
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">'
            f"{escape(content)}</text>"
        )

    def upright(self, x: float, y: float, content: str) -> None:
        """A label that reads upwards, for a vertical axis."""
        self.shapes.append(
            f'<text transform="translate({x:.1f} {y:.1f}) rotate(-90)" class="faint" '
            f'text-anchor="middle">{escape(content)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        self.shapes.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, css: str) -> None:
        self.shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
            f'height="{height:.1f}" class="bar {css}"/>'
        )

    def curve(self, points: list[tuple[float, float]], css: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.shapes.append(f'<polyline points="{path}" class="{css} line"/>')
        for x, y in points:
            self.dot(x, y, css)

    def dot(self, x: float, y: float, css: str, radius: float = 4) -> None:
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="bar {css}"/>')

    def text_of_file(self) -> str:
        size = f'width="{self.width:.0f}" height="{self.height:.0f}"'
        box = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">'
        title = f"<title>{escape(self.description)}</title>"
        width, height = self.width - 1, self.height - 1
        card = f'<rect class="card" x="0.5" y="0.5" width="{width:.0f}" height="{height:.0f}" rx="8"/>'
        body = "\n".join([card, *self.shapes])
        return f"{head}\n{title}\n<style>{STYLE}</style>\n{body}\n</svg>\n"


def round_up(value: float) -> float:
    """The end of an axis whose quarters are round numbers too."""
    power = 10 ** floor(log10(value))
    return next(n * power for n in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if n * power >= value)


def short(value: float) -> str:
    """A number as an axis shows it: 0.5, 64, 8k, 1M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def precise(value: float) -> str:
    """Three figures, as a bar shows them."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
