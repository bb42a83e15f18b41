# SPDX-License-Identifier: BSD-2-Clause
"""The measurements as an SVG bar chart. The background is transparent and the colours are chosen
to be read on white and on dark alike; text stays text.
"""
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 400, 110
BAR, GAP, HEAD = 11, 14, 44
TEXT, PEER, OURS = "#6e7781", "#9a8c7c", "#2f81f7"
PANELS = [
    ("commands", "TPM commands for one command of a client (fewer is better)"),
    ("share", "Times and totals, as a share of tpm2-abrmd's (less is better)"),
]


def text(x, y, content, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}">{escape(content)}</text>')


def bar(y, length, colour, label):
    length = max(length, 1)
    return [f'<rect x="{LEFT}" y="{y:.0f}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
            text(LEFT + length + 6, y + BAR - 1, label, size=11)]


def panel(title, bars, scale, y):
    parts = [text(0, y + 16, title, size=14, weight="bold")]
    y += HEAD - 12
    for label, peer, ours, write in bars:
        most = scale if scale else peer
        parts.append(text(LEFT - 10, y + BAR + 4, label, "end"))
        for value, colour in ((peer, PEER), (ours, OURS)):
            parts += bar(y, value / most * (WIDTH - LEFT - RIGHT), colour, write(value))
            y += BAR + 1
        y += GAP
    return parts, y + 10


def legend(y, peer):
    parts, x = [], LEFT
    for name, colour in ((peer, PEER), ("tabrmd", OURS)):
        parts.append(f'<rect x="{x}" y="{y}" width="{BAR}" height="{BAR}" fill="{colour}"/>')
        parts.append(text(x + BAR + 6, y + BAR - 1, name))
        x += 160
    return parts


def draw(rows, peer):
    """The chart, with `peer` as the name of the other broker; None when nothing was measured side
    by side."""
    parts, y = legend(4, peer), 30
    drawn = False
    for name, title in PANELS:
        bars = [row.chart[1:] for row in rows
                if row.chart and row.chart[0] == name and row.chart[1 + 1] is not None]
        if not bars:
            continue
        drawn = True
        scale = max(max(peer, ours) for _, peer, ours, _ in bars) if name == "commands" else None
        more, y = panel(title, bars, scale, y)
        parts += more
    if not drawn:
        return None
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" '
        f'height="{y:.0f}" font-family="system-ui, sans-serif" fill="{TEXT}" role="img">',
        "<title>tabrmd beside tpm2-abrmd</title>", *parts, "</svg>", ""])
