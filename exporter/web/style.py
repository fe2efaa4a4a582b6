"""The page's style sheet. Its hash is in the security policy, so that no other style applies."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

STYLE = """
:root{color-scheme:light dark;--ground:#f5f6f8;--paper:#fff;--line:#e2e6eb;--ink:#16202b;
--soft:#596673;--link:#155a9c;--track:#e8ebef;--ok:#0b7a5c;--ok-ground:#e3f4ee;
--warn:#8f5600;--warn-ground:#fdf1da;--bad:#b3261e;--bad-ground:#fdeae8;--wait:#596673;
--wait-ground:#eceff2;--fill-ok:#1a9a76;--fill-warn:#d98a12;--fill-bad:#d4453c}
@media(prefers-color-scheme:dark){:root{--ground:#0d1115;--paper:#151b21;--line:#28313a;
--ink:#e6ebf0;--soft:#9aa7b4;--link:#7cb8f2;--track:#2a333c;--ok:#5bd3ab;--ok-ground:#11302a;
--warn:#f0b95c;--warn-ground:#352812;--bad:#ff8f86;--bad-ground:#3b1a19;--wait:#a5b1bd;
--wait-ground:#232b33;--fill-ok:#2bab86;--fill-warn:#d9962f;--fill-bad:#e0605a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:0 1.25rem 2rem;background:var(--ground);
color:var(--ink);font:15px/1.5 -apple-system,"Segoe UI",Inter,Roboto,"Helvetica Neue",Arial,
system-ui,sans-serif;font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
a{color:var(--link);text-underline-offset:.15em}
h1,h2,h3,p,dl,dd,ul{margin:0;padding:0}
small{display:block;color:var(--soft);font-size:.8125rem;font-weight:400}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:center;padding:1rem 0;
font-size:.875rem}
.brand{display:flex;gap:.4rem;align-items:center;color:var(--ink);font-weight:650;
font-size:.9375rem;text-decoration:none}
.bolt{width:1.1em;height:1.1em;fill:var(--fill-ok)}
.clock{margin-left:auto;color:var(--soft)}
.heading{display:flex;flex-wrap:wrap;gap:.25rem .75rem;align-items:center;margin:.5rem 0 1rem}
h1{font-size:1.625rem;line-height:1.25;letter-spacing:-.01em;min-width:0;overflow-wrap:anywhere}
.who{width:100%;color:var(--soft);overflow-wrap:anywhere}
h2{font-size:.9375rem;font-weight:650}
h3{font-size:1rem}
.panel,.tile{background:var(--paper);border:1px solid var(--line);border-radius:.75rem;
padding:1rem 1.125rem;min-width:0}
.panel{margin-bottom:1rem;position:relative}
.panel>h2{margin-bottom:.625rem}
.panel>.badge{position:absolute;top:1rem;right:1.125rem}
.tile h2{color:var(--soft);font-size:.8125rem;font-weight:500}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem;
margin-bottom:1rem}
.tiles.small{grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr))}
.grid,.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));
gap:0 1rem}
.pair{gap:1rem 2rem}
.pair>*,.grid>*{min-width:0}
.figure{white-space:nowrap}
.big,.medium{display:block;line-height:1.2;font-weight:650;letter-spacing:-.02em}
.big{font-size:2.375rem;margin:.125rem 0 .375rem}
.medium{font-size:1.375rem;margin-top:.5rem}
.big small,.medium small{letter-spacing:0;line-height:1.5;margin-top:.125rem}
.unknown{color:var(--soft);font-weight:400;font-style:italic}
.stale s{color:var(--soft);text-decoration:none}
.stale small{color:var(--warn)}
.badge{display:inline-block;padding:.0625rem .5rem;border-radius:1rem;font-size:.75rem;
font-weight:600;white-space:nowrap}
.ok.badge{color:var(--ok);background:var(--ok-ground)}
.warn.badge{color:var(--warn);background:var(--warn-ground)}
.bad.badge{color:var(--bad);background:var(--bad-ground)}
.wait.badge{color:var(--wait);background:var(--wait-ground)}
.counts .badge{margin:.375rem .25rem 0 0;font-size:.875rem}
.bar{display:block;width:100%;height:.5rem;margin:.25rem 0}
.tile .bar{height:.625rem;margin:.25rem 0 .5rem}
.track{fill:var(--track)}
.mark{fill:var(--ink)}
.ok .fill{fill:var(--fill-ok)}
.warn .fill{fill:var(--fill-warn)}
.bad .fill{fill:var(--fill-bad)}
.problems{margin-bottom:1.25rem}
.problem{border:1px solid;border-left-width:.3125rem;border-radius:.625rem;
padding:.625rem 1rem;margin-bottom:.5rem;overflow-wrap:anywhere}
.problem.bad{border-color:var(--fill-bad);background:var(--bad-ground)}
.problem.warn{border-color:var(--fill-warn);background:var(--warn-ground)}
.bad h3{color:var(--bad)}
.warn h3{color:var(--warn)}
.detail,.error,.address{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Consolas,monospace;
overflow-wrap:anywhere}
.detail,.error{margin-top:.25rem;color:var(--soft)}
.problem .whose .name{max-width:16rem}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.875rem}
caption.aside,.aside{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%);white-space:nowrap}
th,td{padding:.375rem .75rem .375rem 0;text-align:left;vertical-align:top;
border-top:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{border-top:0;padding-top:0;color:var(--soft);font-weight:500;font-size:.8125rem;
white-space:nowrap}
tbody th{font-weight:500;max-width:0;width:40%}
.accounts tbody th{width:28%}
.when{white-space:nowrap}
.narrow{display:none}
.badge{max-width:100%;overflow:hidden;text-overflow:ellipsis;vertical-align:middle}
.num{text-align:right;white-space:nowrap}
.share{min-width:8rem;padding-right:1rem}
td.share div{display:flex;gap:.5rem;align-items:center}
td.share .bar{flex:1;min-width:2rem;margin:.4375rem 0}
td.share small{min-width:2.75rem;text-align:right}
.errors{border-top:0;padding-top:0}
.errors .error{margin-top:0}
.name{display:inline-block;max-width:100%;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap;vertical-align:bottom;line-height:1.5}
h1 .name{white-space:normal;display:-webkit-box;-webkit-box-orient:vertical;
-webkit-line-clamp:3;line-height:1.25}
.limits{list-style:none}
.limits li{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 1rem;
padding:.5rem 0;border-top:1px solid var(--line);font-size:.875rem}
.limits li:first-child{border-top:0;padding-top:0}
.limits .whose{min-width:0;font-weight:500}
.limits .bar{grid-column:1/-1}
.limits .much{text-align:right;max-width:15rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.375rem 1rem;font-size:.875rem}
dt{color:var(--soft)}
dd{min-width:0;overflow-wrap:anywhere}
.sum{margin-bottom:.75rem;color:var(--soft)}
.sum strong{color:var(--ink);font-size:1.125rem}
.hint{color:var(--soft);max-width:45rem;margin-bottom:.75rem}
.pages{display:flex;gap:1.25rem;padding-top:.75rem;font-size:.875rem}
footer{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;justify-content:space-between;
color:var(--soft);font-size:.8125rem;overflow-wrap:anywhere}
footer a{margin-right:.75rem}
footer p{min-width:0}
@media(max-width:40rem){body{padding:0 .875rem 1.5rem}td.wide,th.wide{display:none}
.narrow{display:block}
.clock{margin-left:0}.tiles,.tiles.small{gap:.625rem;margin-bottom:.625rem}
.panel,.tile{padding:.875rem}.big{font-size:2rem}.share{min-width:4.25rem}
td.share small{display:none}
.limits .much{max-width:11rem}th,td{padding-right:.5rem}}
"""

STYLE_HASH = "sha256-" + b64encode(sha256(STYLE.encode()).digest()).decode()
"""The style sheet as `Content-Security-Policy` names it."""
