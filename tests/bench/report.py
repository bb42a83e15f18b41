# SPDX-License-Identifier: BSD-2-Clause
"""What was measured, as tables for people, lines for a test runner, and JSON."""
from dataclasses import dataclass, field
import json
from typing import Optional


@dataclass
class Row:
    name: str
    work: str
    peer: Optional[str]  # what a person reads; false where there is no peer
    ours: str
    target: str
    met: Optional[bool]  # None: cannot be told here
    data: dict = field(default_factory=dict)
    note: Optional[str] = None
    chart: Optional[tuple] = None  # panel, label, peer's and our number, how to write a number

    def verdict(self):
        return {True: "met", False: "MISSED", None: "not told"}[self.met]


HEADS = "work", "tpm2-abrmd", "tabrmd", "target", ""


def table(title, rows):
    lines = [HEADS] + [(row.work, row.peer or "–", row.ours, row.target, row.verdict())
                       for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = ["", title, ""]
    for number, line in enumerate(lines):
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths))
    notes = [row for row in rows if row.note]
    text += [""] * bool(notes) + [f"{row.name}: {row.note}" for row in notes]
    return "\n".join(text)


def summary(rows):
    told = [row for row in rows if row.met is not None]
    line = f"{sum(row.met for row in told)} of {len(told)} targets met"
    missed = [row.name for row in told if not row.met]
    return line + (f"; missed: {', '.join(missed)}" if missed else "")


def tap(row):
    if row.met is None:
        return f"ok - {row.name} # SKIP {row.note}"
    return f"{'' if row.met else 'not '}ok - {row.name}: {row.ours}; target: {row.target}"


def write_json(path, machine, tables):
    content = {"machine": machine, "tables": [
        {"title": title, "rows": [
            {"name": row.name, "work": row.work, "tpm2-abrmd": row.peer or None,
             "tabrmd": row.ours, "target": row.target, "met": row.met, "note": row.note,
             "data": row.data} for row in rows]} for title, rows in tables]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
