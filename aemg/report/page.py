"""The parts of a self-contained HTML page: nothing on it is fetched from anywhere, and it reads well light and dark."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --font: system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
  --surface: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --muted: #5d6670; --grid: #d9dde2;
  --s0: #1f6fd0; --s1: #c8590a; --s2: #1a8757; --s3: #7d4fc4; --s4: #b02a6b; --s5: #8a6d00; --s6: #0b8395;
  --s7: #6b7480; --s8: #a33a2c; --good: #14753f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --surface: #14171b; --panel: #1d2126; --ink: #e8eaed; --muted: #a2abb5; --grid: #383e46;
  --s0: #5aa2f2; --s1: #f0924a; --s2: #4fbf8b; --s3: #b08cf0; --s4: #ea77ac; --s5: #d1b13f; --s6: #4cc3d4;
  --s7: #98a2ad; --s8: #ec8375; --good: #62cf94; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 74rem; background: var(--surface); color: var(--ink);
  font: 15px/1.5 var(--font); }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--grid); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 52rem; }
.lead { font-size: 1.05rem; } .note { color: var(--muted); font-size: .87rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0 .8rem; }
th, td { padding: .32rem .5rem; text-align: right; border-bottom: 1px solid var(--grid); vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; color: var(--muted); font-size: .84rem; vertical-align: bottom; white-space: normal;
  min-width: 4.6rem; }
th:first-child, td:first-child { text-align: left; } tbody th { color: var(--ink); text-align: left; }
td.own { background: color-mix(in srgb, var(--s0) 9%, transparent); }
th small, td small { display: block; font-weight: 400; color: var(--muted); font-size: .76rem; }
.best { font-weight: 700; } .good { color: var(--good); } .bad { color: var(--bad); }
.matrix td, .matrix th { border: 0; padding: .2rem .3rem; min-width: 2.1rem; text-align: center; font-size: .78rem; }
.matrix tbody th { text-align: right; } .matrix td { border: 1px solid var(--surface); border-radius: 3px; }
.matrix thead th.turned { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: .3rem; }
.statements { list-style: none; padding: 0; margin: .5rem 0; display: grid; gap: .15rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); }
.statements li { padding: .3rem 0; border-bottom: 1px solid var(--grid); display: flex; gap: .6rem; }
.statements b { min-width: 2.2rem; } .statements small { color: var(--muted); display: block; }
blockquote { margin: .6rem 0; padding: .5rem .9rem; border-left: 4px solid var(--s0); background: var(--panel);
  max-width: 56rem; }
.warning { border-left-color: var(--s1); }
.row { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(33rem, 1fr)); gap: 1rem; }
.card { background: var(--panel); border-radius: 8px; padding: .8rem 1rem; }
.card h3 { margin: 0 0 .2rem; } .card dl { margin: .5rem 0 0; display: grid; grid-template-columns: 7.2rem 1fr;
  gap: .1rem .6rem; font-size: .86rem; } .card dt { color: var(--muted); } .card dd { margin: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .8rem; margin: .8rem 0; }
.facts div { background: var(--panel); border-radius: 8px; padding: .6rem .8rem; font-size: .84rem;
  color: var(--muted); }
.facts b { display: block; font-size: 1.35rem; color: var(--ink); font-weight: 650; }
.half td:first-child { white-space: normal; }
.half { flex: 1 1 26rem; min-width: 0; }
figure { margin: .6rem 0; } figcaption { color: var(--muted); font-size: .87rem; max-width: 52rem; }
svg { max-width: 100%; height: auto; } svg image { image-rendering: pixelated; }
pre { background: var(--panel); padding: .7rem .9rem; border-radius: 6px; overflow-x: auto; font-size: .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; } a { color: var(--s0); }
.diff { display: flex; flex-wrap: wrap; gap: .35rem 0; font: 15px/1.25 ui-monospace, "DejaVu Sans Mono", monospace;
  margin: .3rem 0 1rem; }
.diff span { display: grid; grid-template-rows: 1.3em 1.3em 1em; min-width: 1.05em; text-align: center; padding: 0 .06em; }
.diff b { font-weight: 400; } .diff i { font: 600 10px/1 var(--font); color: var(--muted); }
.diff .substitute, .diff .delete, .diff .insert { border-radius: 3px; }
.diff .substitute { background: color-mix(in srgb, var(--s5) 26%, transparent); }
.diff .delete { background: color-mix(in srgb, var(--s4) 22%, transparent); }
.diff .insert { background: color-mix(in srgb, var(--s6) 24%, transparent); }
@media (max-width: 40rem) { .cards, .statements { grid-template-columns: 1fr; } }
"""


def text(value: object) -> str:
    """A value as HTML text."""
    return html.escape(str(value))


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page of HTML parts."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def write_page(path: str | Path, content: str) -> None:
    """Writes a page in one step; the folder is made if missing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    partial.write_text(content, encoding="utf-8")
    os.replace(partial, target)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], own: int | None = None) -> str:
    """A table of HTML cells; `own` is the row to set off."""

    def cells(kind: str, row: Sequence[str], mark: str = "") -> str:
        return "".join(f"<{kind}{mark}>{cell}</{kind}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row, ' class=own' if i == own else '')}</tr>\n" for i, row in enumerate(rows))
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>"
    return f'<div class="scroll"><table>{head}\n<tbody>{body}</tbody></table></div>'


def figure(picture: str, caption: str) -> str:
    """A picture (SVG) with its caption (HTML)."""
    return f'<figure><div class="scroll">{picture}</div><figcaption>{caption}</figcaption></figure>'


def facts(values: Iterable[tuple[str, str]]) -> str:
    """Large numbers with what they count."""
    return f'<div class="facts">{"".join(f"<div><b>{text(v)}</b>{text(k)}</div>" for v, k in values)}</div>'


def details(head: str, content: str) -> str:
    """Content (HTML) that is folded away."""
    return f"<details><summary>{text(head)}</summary>{content}</details>"


def number(value: object, digits: int = 1, scale: float = 1.0) -> str:
    """A number, or a dash for what is missing or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    shown = f"{value * scale:.{digits}f}"
    return shown.replace("-", "−")


def percent(share: object, digits: int = 1) -> str:
    """A share in percent, without the sign."""
    return number(share, digits, 100.0)
