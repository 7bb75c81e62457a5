"""How the page looks, by day and by night: its style sheet."""

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1f23; --soft: #656b76; --line: #e4e2dd;
  --c1: #2563c9; --c2: #c4690f; --c3: #12806a; --c4: #8a4bb8; --c5: #b3384a; --c6: #5f7d16;
  --best: #dff1e6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131519; --card: #1b1e24; --ink: #e8e8ea; --soft: #989eaa; --line: #2d3139;
    --c1: #6ea4f5; --c2: #eba04f; --c3: #4fc3a4; --c4: #c392ea; --c5: #ee8292; --c6: #b3cf62;
    --best: #1d3a2b;
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
.cards { grid-template-columns: repeat(auto-fill, minmax(min(var(--least), 100%), 1fr)); }
.beside { grid-template-columns: repeat(auto-fit, minmax(max(160px, 100% / var(--across) - 14px), 1fr));
  gap: 22px 14px; }
figure { margin: 0; min-width: 0; }
figure video, figure img { display: block; width: 100%; border-radius: 10px; background: var(--line); }
figure img.pixels { image-rendering: pixelated; }
figcaption { font-size: 14px; margin-top: 8px; }
figcaption b { color: var(--ink); font-weight: 600; }
.timeline { display: flex; gap: 3px; margin: 26px 0 8px; }
.timeline i { display: block; height: 12px; border-radius: 3px; min-width: 3px; }
.progress { height: 12px; border-radius: 6px; background: var(--line); margin: 26px 0 8px; overflow: hidden; }
.progress i { display: block; height: 100%; background: var(--c1); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; color: var(--soft); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.legend b { color: var(--ink); font-weight: 600; }
.k1 { background: var(--c1); } .k2 { background: var(--c2); } .k3 { background: var(--c3); }
.k4 { background: var(--c4); } .k5 { background: var(--c5); } .k6 { background: var(--c6); }
.k0 { background: var(--ink); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; }
.card h3 { font-size: 15px; margin: 0 0 6px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); } .s4 { stroke: var(--c4); }
.s5 { stroke: var(--c5); } .s6 { stroke: var(--c6); } .s0 { stroke: var(--ink); stroke-dasharray: 5 5; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 16px; font-size: 15px; }
th, td { text-align: right; padding: 8px 12px; border-bottom: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.ours td { font-weight: 600; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; overflow-x: auto;
  font: 13.5px/1.7 ui-monospace, monospace; }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
h1, .sources b, figcaption b, .legend span { overflow-wrap: anywhere; }
.sources { list-style: none; padding: 0; margin: 20px 0 0; display: grid; gap: 10px 28px;
  grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); }
.sources li { font-size: 14px; color: var(--soft); overflow-wrap: anywhere; }
.sources b { color: var(--ink); font-size: 16px; font-weight: 600; }
.notes { border-left: 4px solid var(--c2); padding: 2px 0 2px 16px; margin: 26px 0 0; }
.notes p { color: var(--ink); margin: 6px 0; overflow-wrap: anywhere; }
.figures { width: auto; min-width: 66%; }
.figures th { font-size: 13px; line-height: 1.3; vertical-align: bottom; white-space: normal; overflow-wrap: anywhere;
  min-width: 92px; max-width: 190px; padding: 4px 12px 8px; border-bottom: 1px solid var(--soft); }
.figures td { border: 0; padding: 10px 12px 0; white-space: nowrap; }
.figures td:first-child { padding-left: 0; }
.figures .over td { text-align: center; padding-top: 0; }
.figures .over .fraud { border-bottom: 1px solid var(--line); padding-bottom: 4px; }
.figures .name { position: sticky; left: 0; z-index: 1; min-width: 150px; background: var(--paper);
  font: 600 14px/1.3 ui-monospace, monospace; white-space: normal; }
.figures .fraud, .figures small { color: var(--soft); font-size: 13px; }
.figures td > small { margin-left: 8px; }
.figures .about td { border-bottom: 1px solid var(--line); padding: 2px 0 12px; white-space: normal; }
.figures .about div { position: sticky; left: 0; width: 76ch; max-width: calc(100vw - 48px); color: var(--soft);
  font-size: 14px; line-height: 1.45; }
.figures .about small { display: block; font-size: 12.5px; opacity: .85; }
.figures mark { background: var(--best); color: inherit; border-radius: 6px; padding: 2px 6px; margin: 0 -4px 0 -6px;
  font-weight: 650; }
.facts { font-size: 12.5px; max-width: none; margin-top: 10px; overflow-wrap: anywhere; }
.scale { display: flex; align-items: center; gap: 10px; margin: 16px 0 0; max-width: 420px; font-size: 13px;
  color: var(--soft); }
.scale i { flex: 1; height: 12px; border-radius: 3px; }
main > h3 { font-size: 15px; margin: 22px 0 -8px; font-weight: 600; }
details { border-top: 1px solid var(--line); padding: 10px 0; }
details details { margin-left: 18px; }
summary { cursor: pointer; font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(90px, max-content) 1fr; gap: 3px 18px; margin: 8px 0;
  font-size: 14px; }
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dd > dl { margin: 0; }
a { color: var(--c1); }
footer { margin-top: 60px; font-size: 14px; color: var(--soft); }
@media (max-width: 600px) {
  .figures .name { min-width: 96px; font-size: 12.5px; } .figures td { padding-inline: 8px; }
  h1 { font-size: 30px; } main { padding-top: 32px; }
  dl { grid-template-columns: 1fr; } dt { margin-top: 4px; } }
"""
