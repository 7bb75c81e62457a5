"""How the page looks, by day and by night: its style sheet."""

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1f23; --soft: #656b76; --line: #e4e2dd;
  --c1: #2563c9; --c2: #c4690f; --c3: #12806a; --c4: #8a4bb8; --c5: #b3384a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131519; --card: #1b1e24; --ink: #e8e8ea; --soft: #989eaa; --line: #2d3139;
    --c1: #6ea4f5; --c2: #eba04f; --c3: #4fc3a4; --c4: #c392ea; --c5: #ee8292;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 24px 80px; }
h1 { font-size: 40px; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 12px; }
h2 { font-size: 23px; letter-spacing: -0.01em; margin: 60px 0 4px; }
p { max-width: 68ch; margin: 6px 0 16px; }
p, figcaption, .soft { color: var(--soft); }
header p { font-size: 18px; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 22px; margin-top: 18px; }
figure { margin: 0; min-width: 0; }
figure video, figure img { display: block; width: 100%; border-radius: 10px; background: var(--line); }
figure img.pixels { image-rendering: pixelated; }
figcaption { font-size: 14px; margin-top: 8px; }
figcaption b { color: var(--ink); font-weight: 600; }
.timeline { display: flex; gap: 3px; margin: 26px 0 8px; }
.timeline i { display: block; height: 12px; border-radius: 3px; min-width: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; color: var(--soft); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.legend b { color: var(--ink); font-weight: 600; }
.k1 { background: var(--c1); } .k2 { background: var(--c2); } .k3 { background: var(--c3); }
.k4 { background: var(--c4); } .k5 { background: var(--c5); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; }
.card h3 { font-size: 15px; margin: 0 0 6px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); } .s4 { stroke: var(--c4); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 16px; font-size: 15px; }
th, td { text-align: right; padding: 8px 12px; border-bottom: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.ours td { font-weight: 600; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; overflow-x: auto;
  font: 13.5px/1.7 ui-monospace, monospace; }
footer { margin-top: 60px; font-size: 14px; color: var(--soft); }
@media (max-width: 600px) { h1 { font-size: 30px; } main { padding-top: 32px; } }
"""
