//! The page around its parts: its style, its one script, and the policy that lets nothing else in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::graph;

/// Light, and dark where that is asked for; for a wide screen, a telephone and paper. The colours of classes are those that
/// people with any kind of colour vision tell apart, and each class has a letter too.
const STYLE: &str = r#"
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1d2329; --soft: #59636e; --line: #d9dde1;
  --code: #f1f2ef; --link: #0b5cad; --good: #00694e; --bad: #b3261e; --open: #845400; --mark: #ffe08a; --ring: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1b2026; --ink: #e3e7ec; --soft: #9aa5b1;
  --line: #323941; --code: #20262d; --link: #7ab4f5; --good: #2fc398; --bad: #ff8a7a; --open: #e6a93c; --mark: #6b5200;
  --ring: #7ab4f5; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.4rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; border-radius: .2rem; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: .6rem; background: var(--card); z-index: 3; padding: .3rem .6rem; }
nav { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--line); padding: .55rem 0;
  white-space: nowrap; overflow-x: auto; scrollbar-width: none; }
nav div, main { max-width: 76rem; margin: 0 auto; padding-left: 1.4rem; padding-right: 1.4rem; }
nav a { margin-right: 1.3rem; text-decoration: none; font-size: .93rem; }
nav a:hover { text-decoration: underline; }
main { padding-bottom: 5rem; }
header { border-left: .5rem solid var(--soft); padding: .1rem 0 .1rem 1.1rem; margin: 1.8rem 0 1rem; }
header.match { border-color: var(--good); } header.mismatch, header.failed { border-color: var(--bad); }
header.inconclusive { border-color: var(--open); }
header p { margin: .3rem 0; color: var(--ink); } header .file, header .facts { color: var(--soft); } .file, .facts, .place, .sum { color: var(--soft); } .facts { font-size: .92rem; }
.facts span + span::before { content: "· "; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: .1rem 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; } h3 span { font-weight: 500; margin-left: .5rem; }
.match { color: var(--good); } .mismatch { color: var(--bad); } .inconclusive, .flaky { color: var(--open); }
.card { background: var(--card); border: 1px solid var(--line); border-left: .35rem solid var(--bad); border-radius: .35rem;
  padding: .5rem 1rem; margin: .6rem 0; color: var(--ink); overflow-wrap: anywhere; }
.card.inconclusive { border-left-color: var(--open); }
.card p { margin: .25rem 0; } .help::before { content: "help: "; color: var(--link); font-weight: 600; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .9rem; }
.tools[hidden] { display: none; }
.tools input { flex: 1 1 14rem; min-width: 8rem; }
.tools input, .tools button { font: inherit; font-size: .95rem; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: .35rem; padding: .35rem .7rem; }
.tools button { cursor: pointer; } .tools button.match { color: var(--good); } .tools button.mismatch { color: var(--bad); }
.tools button.inconclusive, .tools button.flaky { color: var(--open); }
.tools button[aria-pressed="true"] { background: var(--code); border-color: currentColor; box-shadow: inset 0 0 0 1px currentColor; }
.glance { display: block; width: 100%; max-width: 60rem; height: auto; margin: 0 0 1rem; cursor: pointer; }
.glance path { fill: var(--good); stroke: none; } .glance .match { opacity: .35; } .glance .mismatch { fill: none; stroke: var(--bad); stroke-width: 2.4; }
.glance .inconclusive, .glance .flaky { fill: var(--open); }
details { background: var(--card); border: 1px solid var(--line); border-radius: .35rem; margin: .3rem 0; }
.v { border-left-width: .35rem; content-visibility: auto; contain-intrinsic-size: auto 2.7rem; }
.v[open] { content-visibility: visible; }
.v.match { border-left-color: var(--good); color: inherit; } .v.mismatch { border-left-color: var(--bad); color: inherit; }
.v.inconclusive, .v.flaky { border-left-color: var(--open); color: inherit; }
summary { cursor: pointer; padding: .5rem .9rem; overflow-wrap: anywhere; }
.v > summary { display: flex; flex-wrap: wrap; gap: .2rem .9rem; align-items: baseline; }
.verdict { min-width: 7.2rem; font-weight: 600; } .match .verdict { color: var(--good); } .mismatch .verdict { color: var(--bad); }
.inconclusive .verdict, .flaky .verdict { color: var(--open); }
.name { font-weight: 600; overflow-wrap: anywhere; } .sum { font-size: .93rem; } .v .sum { margin-left: auto; }
.strip { white-space: nowrap; }
.body { padding: .1rem 1rem .9rem; border-top: 1px solid var(--line); } .body p { overflow-wrap: anywhere; }
.place { font-size: .9rem; margin: .5rem 0; }
.news { margin: .4rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
i { display: inline-block; min-width: 1.5em; padding: 0 .2em; text-align: center; font: 600 .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
  border-radius: .2rem; color: #111; border: 1px solid #0003; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.k0 { background-color: #8ecbf0; } .k1 { background-color: #f0b43c; } .k2 { background-color: #35b58c; } .k3 { background-color: #d892b8; }
.k4 { background-color: #f0e442; } .k5 { background-color: #ee8a4a; } .k6 { background-color: #6f9ff2; } .k7 { background-color: #b9b9b9; }
.p0 { background-image: repeating-linear-gradient(45deg, #0000 0 4px, #0004 4px 5px); }
.p1 { background-image: repeating-linear-gradient(0deg, #0000 0 4px, #0004 4px 5px); }
.p2 { background-image: repeating-linear-gradient(90deg, #0000 0 4px, #0004 4px 5px); }
.gone { background: none; color: var(--bad); border: 1px dashed var(--bad); }
table { border-collapse: collapse; font-size: .94rem; } .scroll { overflow-x: auto; margin: .5rem 0; }
.classes td { padding: .18rem .9rem .18rem 0; vertical-align: top; overflow-wrap: anywhere; } .classes td:last-child { padding-right: 0; }
.classes code, .plain code { white-space: nowrap; }
.plain th, .plain td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
.grid th, .grid td { padding: .2rem .45rem; text-align: center; } .grid tbody th { text-align: left; font-weight: 500; }
.grid thead th { font-size: .86rem; font-weight: 600; } .grid tbody tr:hover { background: var(--code); }
.grid tbody th { position: sticky; left: 0; background: var(--card); max-width: 26rem; overflow-wrap: anywhere; }
#matrix .grid { background: var(--card); }
pre, code { font: .86rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--code); padding: .5rem .7rem; border-radius: .35rem; margin: .3rem 0; overflow-x: auto; white-space: pre; tab-size: 8; }
.tall { max-height: 26rem; overflow: auto; margin: 0; border-radius: 0 0 .35rem .35rem; border-top: 1px solid var(--line); }
figure { margin: .9rem 0 0; border-top: 1px dashed var(--line); padding-top: .5rem; } figcaption { overflow-wrap: anywhere; }
.at { margin: .7rem 0 .2rem; font-size: .93rem; overflow-wrap: anywhere; } .at b { font-weight: 600; } .looks { margin: .6rem 0; padding: .5rem .8rem; background: var(--code); border-radius: .35rem; }
.looks p { margin: .15rem 0; } .looks .in { padding-left: 1.2rem; color: var(--soft); }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; } .sides pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.sides pre::before { content: attr(title); display: block; color: var(--soft); font: .8rem/1.4 system-ui, sans-serif; margin-bottom: .15rem; }
mark { background: var(--mark); color: inherit; border-radius: .15rem; font-weight: 700; }
.causes { white-space: pre-wrap; overflow-wrap: anywhere; }
.time { fill: var(--link); }
#graph .scroll { background: var(--card); border: 1px solid var(--line); border-radius: .35rem; }
[hidden] { display: none !important; }
@media (max-width: 46rem) { nav div, main { padding-left: .9rem; padding-right: .9rem; } h1 { font-size: 1.35rem; }
  .sides { grid-template-columns: 1fr; } .v .sum { margin-left: 0; flex-basis: 100%; } .body { padding-left: .7rem; padding-right: .7rem; }
  .verdict { min-width: 0; } .grid tbody th { max-width: 11rem; } }
@media print { nav, .tools { display: none !important; } body { background: #fff; font-size: 10pt; } .v { content-visibility: visible; }
  .tall { max-height: none; } .scroll { overflow: visible; } .graph { max-width: 100%; height: auto; } pre { white-space: pre-wrap; } }
"#;

/// Filters, opens and closes; leads from a square of the picture to its line; opens what is to be printed. Without it all is
/// there to be read.
const SCRIPT: &str = r##"
(function () {
  "use strict";
  var all = Array.prototype.slice.call(document.querySelectorAll("#list > details")), texts = null, only = "";
  var words = document.getElementById("words"), none = document.getElementById("none");
  var tools = document.querySelector(".tools");
  function filter() {
    if (!words) { return; }
    if (!texts) { texts = all.map(function (one) { return one.textContent.toLowerCase(); }); }
    var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean), found = 0;
    all.forEach(function (one, index) {
      var hit = (!only || one.classList.contains(only)) &&
        wanted.every(function (word) { return texts[index].indexOf(word) >= 0; });
      one.hidden = !hit;
      found += hit ? 1 : 0;
    });
    none.hidden = found > 0;
  }
  function set(open) {
    var left = 500;
    all.forEach(function (one) {
      if (one.open !== open && !one.hidden && left > 0) { one.open = open; left -= open ? 1 : 0; }
    });
  }
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    if (target.hidden) { words.value = ""; only = ""; press(); filter(); }
    for (var at = target; at; at = at.parentElement) { if (at.tagName === "DETAILS") { at.open = true; } }
    target.scrollIntoView();
  }
  function press() {
    tools.querySelectorAll("[data-only]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.getAttribute("data-only") === only));
    });
  }
  if (tools) {
    tools.hidden = false;
    words.addEventListener("input", filter);
    words.addEventListener("keydown", function (event) {
      if (event.key === "Escape") { words.value = ""; filter(); words.blur(); }
    });
    tools.addEventListener("click", function (event) {
      var button = event.target.closest("button");
      if (!button) { return; }
      var verdict = button.getAttribute("data-only");
      if (verdict) { only = only === verdict ? "" : verdict; press(); filter(); } else { set(button.getAttribute("data-do") === "open"); }
    });
    document.addEventListener("keydown", function (event) {
      var typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); words.focus(); }
    });
  }
  var glance = document.getElementById("glance");
  if (glance) {
    glance.addEventListener("click", function (event) {
      var box = glance.getBoundingClientRect(), across = Number(glance.getAttribute("data-across"));
      var side = box.width / across;
      location.hash = "v" + (Math.floor((event.clientY - box.top) / side) * across + Math.floor((event.clientX - box.left) / side));
    });
  }
  window.addEventListener("hashchange", reveal);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("#list > details:not(.match)").forEach(function (one) { one.open = true; });
  });
  reveal();
})();
"##;

/// The page: `title` is escaped already, and so is what is in it.
pub(super) fn page(title: &str, links: &str, main: &str) -> String {
    let style = format!("{STYLE}{}", graph::STYLE);
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(SCRIPT)
    );
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the report</a>\n<nav aria-label=\"Parts of the report\"><div>\n{links}</div></nav>\n\
         <main id=\"main\">\n{main}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}
