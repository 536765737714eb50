"""A document as one HTML file: its style and its charts are in it, and it loads nothing."""

from __future__ import annotations

from html import escape

from fuseboard_console.views.report.document import Block, Bullets, Document, Figure, Paragraph, Table

STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f6f7f9; --ink: #1c2128; --muted: #57606a;
  --rule: #d0d7de;
  --good: #2f7d4f; --other: #2f6fb0; --warn: #a56a00; --bad: #c4302b; --held: #7a5195; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --panel: #1c2229; --ink: #e3e8ee; --muted: #9aa5b1;
  --rule: #38424d; --good: #5fbf85; --other: #6cb0f0; --warn: #e0a83c; --bad: #ff6f66; --held: #c39ad9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule); }
p, ul { margin: .5rem 0; max-width: 48rem; }
ul { padding-left: 1.25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word; }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
.figure { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; padding: .75rem; background: var(--panel); border-radius: 6px; }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .25rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--muted); }
svg .name { fill: var(--ink); }
svg .axis { stroke: var(--rule); stroke-width: 1; fill: none; }
svg .good { fill: var(--good); } svg .other { fill: var(--other); } svg .warn { fill: var(--warn); }
svg .bad { fill: var(--bad); } svg .held { fill: var(--held); } svg .none { fill: var(--rule); }
svg .line { fill: none; stroke: var(--good); stroke-width: 1.5; } svg .line2 { stroke: var(--other); }
svg .line3 { stroke: var(--warn); stroke-dasharray: 4 2; }
@media print { :root { --ground: #fff; --panel: #fff; --ink: #000; --muted: #333; --rule: #999; --good: #2f7d4f;
  --other: #2f6fb0; --warn: #a56a00; --bad: #c4302b; --held: #7a5195; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  figure { border: 1px solid #999; } figure, tr, li { break-inside: avoid; } h2 { break-after: avoid; }
  thead { display: table-header-group; } .scroll { overflow: visible; }
  td:not(.figure) { max-width: 30rem; } td:last-child { overflow-wrap: anywhere; } }
"""


def html(document: Document) -> str:
    """Return a document as an HTML page that loads nothing and runs nothing."""
    body = [f"<h1>{escape(document.title)}</h1>", *map(_block, document.intro)]
    for section in document.sections:
        body += [f"<section><h2>{escape(section.title)}</h2>", *map(_block, section.blocks), "</section>"]
    content = "\n".join(body)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(document.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in block.items)}</ul>"
    if isinstance(block, Figure):
        return f"<figure><figcaption>{escape(block.title)}</figcaption>{block.svg}</figure>"
    return _table(block)


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        shown = (
            f"<{tag}{' class=figure' if place in table.right else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(shown)}</tr>"

    rows = "".join(row(cells, "td") for cells in table.rows)
    return f"<div class=scroll><table><thead>{row(table.head, 'th')}</thead><tbody>{rows}</tbody></table></div>"
