/* report/page_style.c - how a page looks: light and dark, narrow and wide, on paper. */
#include "report/report.h"

const char *const PAGE_STYLE[] = {
    ":root{color-scheme:light dark;--paper:#f7f5f1;--card:#fff;--ink:#1c2024;"
    "--soft:#59626b;--line:#e2ded6;--good:#12613f;--good-bg:#e5f2ea;--bad:#9c2516;"
    "--bad-bg:#fbe8e4;--open:#7a5200;--open-bg:#faf0d9;--note-bg:#eaf0f6;"
    "--accent:#235a8f}"
    "\n",
    "@media (prefers-color-scheme:dark){:root{--paper:#121517;--card:#1a1e21;"
    "--ink:#e6e3de;--soft:#9ba4ac;--line:#31373c;--good:#86d5ab;--good-bg:#152c20;"
    "--bad:#f59b8e;--bad-bg:#38190f;--open:#e8c471;--open-bg:#322810;"
    "--note-bg:#1b2732;--accent:#8dbbea}"
    "}\n",
    "*{box-sizing:border-box}\n",
    "html{scroll-behavior:smooth;scroll-padding-top:3.2rem}\n",
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica "
    "Neue',sans-serif}"
    "\n",
    "main{max-width:72rem;margin:0 auto;padding:2.6rem 1.25rem 4rem}\n",
    "h1,h2{font-family:Charter,'Bitstream Charter','Iowan Old Style','Source Serif "
    "4',Georgia,serif;font-weight:600;letter-spacing:-.01em}"
    "\n",
    "h1{font-size:2.3rem;line-height:1.15;margin:0;overflow-wrap:anywhere}\n",
    "h2{font-size:1.5rem;line-height:1.25;margin:0 0 .8rem}\n",
    "h3{font-size:1.02rem;line-height:1.35;margin:1.6rem 0 .5rem}\n",
    "a{color:var(--accent)}\n",
    ".meta{color:var(--soft);margin:.4rem 0 0;overflow-wrap:anywhere;max-width:none}"
    "\n",
    "nav{position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;"
    "gap:.2rem 1.3rem;margin:1.3rem -1.25rem 0;padding:.55rem 1.25rem;"
    "background:var(--paper);border-bottom:1px solid var(--line);font-size:.92rem}"
    "\n",
    "nav a{text-decoration:none}nav a:hover{text-decoration:underline}\n",
    "section{background:var(--card);border:1px solid var(--line);"
    "border-radius:12px;padding:1.5rem 1.6rem;margin-top:1.3rem}"
    "\n",
    "p{margin:.6rem 0;max-width:48rem}\n",
    ".verdict{border-left:5px solid var(--soft);border-radius:6px;"
    "padding:.6rem 1rem;max-width:none;background:var(--note-bg)}"
    "\n",
    ".verdict.good{border-color:var(--good);color:var(--good);"
    "background:var(--good-bg)}"
    "\n",
    ".verdict.bad{border-color:var(--bad);color:var(--bad);background:var(--bad-bg)}"
    "\n",
    ".headline{font-size:1.12rem;font-weight:600;margin:.9rem 0 0}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.4rem;margin:0}"
    "\n",
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n",
    ".checks{display:grid;"
    "grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.8rem;"
    "margin:.9rem 0 0;padding:0;list-style:none}"
    "\n",
    ".check{border:1px solid var(--line);border-left:5px solid var(--soft);"
    "border-radius:8px;padding:.75rem 1rem;min-width:0;overflow-wrap:anywhere}"
    "\n",
    ".check.fails{grid-column:1/-1;border-color:var(--bad);background:var(--bad-bg)}"
    "\n",
    ".check.ok,.check.cautious{border-left-color:var(--good)}"
    ".check.open{border-left-color:var(--open);border-left-style:dashed}"
    ".check.informs{border-left-color:var(--accent)}\n",
    ".check h4{display:flex;gap:.6rem;align-items:baseline;"
    "justify-content:space-between;margin:0;font-size:.98rem;line-height:1.35}"
    "\n",
    ".check h4 span:first-child::first-letter{text-transform:uppercase}\n",
    ".check p{margin:.35rem 0 0;max-width:none;font-size:.93rem}\n",
    ".check .todo{font-weight:600}\n",
    ".check .number{color:var(--soft);font-size:.82rem;"
    "font-variant-numeric:tabular-nums}"
    "\n",
    ".badge{flex:none;font:600 .74rem/1.6 system-ui,sans-serif;padding:0 .6em;"
    "border-radius:99px;white-space:nowrap;color:var(--soft);"
    "background:var(--note-bg)}"
    "\n",
    ".fails .badge{color:var(--bad);background:var(--card)}"
    ".ok .badge,.cautious .badge{color:var(--good);background:var(--good-bg)}"
    ".open .badge{color:var(--open);background:var(--open-bg)}"
    ".informs .badge{color:var(--accent)}\n",
    ".scroll{overflow-x:auto}\n",
    "table{border-collapse:collapse;width:100%;font-size:.88rem;"
    "font-variant-numeric:tabular-nums}"
    "\n",
    "th{font-weight:600;color:var(--soft);text-align:right;"
    "border-bottom:2px solid var(--line);vertical-align:bottom}"
    "\n",
    "td{text-align:right;border-bottom:1px solid var(--line)}\n",
    "th,td{padding:.4rem .42rem;white-space:nowrap}th{white-space:normal}\n",
    "th:first-child,td:first-child{padding-left:0}"
    "th:last-child,td:last-child{padding-right:0}\n",
    "th.t,td.t{text-align:left}td.wide{white-space:normal;overflow-wrap:anywhere}"
    "\n",
    ".loose table{font-size:.8rem}.loose th,.loose td{padding:.4rem .2rem}.loose "
    "td{white-space:normal}.loose th:first-child,.loose "
    "td:first-child{padding-left:0}tr.group "
    "td{font-weight:600;padding-top:.9rem}\n",
    "small{color:var(--soft)}td.under,td.fails{color:var(--bad);font-weight:600}"
    "\n",
    "details{margin-top:1rem}summary{cursor:pointer;color:var(--accent)}\n",
    "pre{overflow:auto;max-height:32rem;font-size:.82rem;line-height:1.45;"
    "background:var(--paper);border:1px solid var(--line);border-radius:8px;"
    "padding:.9rem}"
    "\n",
    ".legend{color:var(--soft);font-size:.86rem;max-width:none}\n",
    ".figures{columns:2 27rem;column-gap:1.6rem;margin-top:1.2rem}\n",
    "figure{margin:0 0 "
    "1.4rem;break-inside:avoid}figure.wide,figure.alone{column-span:all;margin-top:1."
    "4rem}figure:last-"
    "child{"
    "margin-bottom:0}\n",
    "figure img{display:block;max-width:100%;height:auto;margin:0 auto;"
    "border-radius:8px;background:#fff}"
    "\n",
    "figcaption{color:var(--soft);font-size:.88rem;margin:.5rem auto 0;"
    "max-width:46rem}"
    "\n",
    "svg{display:block}.axis{stroke:var(--soft);stroke-dasharray:2 2}"
    ".bar{stroke:var(--accent);stroke-width:3}.dot{fill:var(--accent)}"
    ".bar.under{stroke:var(--bad)}.dot.under{fill:var(--bad)}\n",
    "@media (max-width:40rem){main{padding:1.5rem .8rem 3rem}"
    "nav{margin:1rem -.8rem 0;padding:.5rem .8rem;position:static}"
    "section{padding:1.1rem 1rem;border-radius:10px}h1{font-size:1.8rem}"
    "h2{font-size:1.3rem}figure.wide{overflow-x:auto}figure.wide "
    "img{max-width:none;width:52rem}dl{grid-template-columns:1fr;gap:0}"
    "dd{margin-bottom:.6rem}}\n",
    "@media screen and (prefers-color-scheme:dark){figure img{filter:invert(.9) "
    "hue-rotate(180deg)}}\n",
    "@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;"
    "--line:#bbb;--good:#12613f;--good-bg:#fff;--bad:#9c2516;--bad-bg:#fff;"
    "--open:#7a5200;--open-bg:#fff;--note-bg:#fff;--accent:#235a8f}"
    "body{font-size:10pt}main{max-width:none;padding:0}nav,details{display:none}"
    "section{border:0;padding:0;margin-top:1.2rem}"
    ".check,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}"
    ".scroll{overflow:visible}table{font-size:7.5pt}th,td{padding:.2rem .25rem}"
    ".verdict,.check{border:1px solid var(--line);border-left-width:5px}"
    "figure img{filter:none}}\n",
    NULL,
};
