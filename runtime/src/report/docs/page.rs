//! The page around the documentation: its style and its one script.

/// Light, and dark where that is asked for.
const STYLE: &str = r#"
:root { color-scheme: light dark; --paper: #fdfdfb; --ink: #22262b; --soft: #646c76; --line: #dfe2e5; --code: #f2f3f0;
  --link: #0b5cad; --word: #8a2b75; --type: #1f6f54; --text: #9a5b08; --mark: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --paper: #16191d; --ink: #dfe3e8; --soft: #97a1ad; --line: #2e343b;
  --code: #1f2429; --link: #7ab4f5; --word: #dc9ed0; --type: #7fcdb0; --text: #e2b36d; --mark: #3d3620; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
  display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.2rem 1rem 2rem 1.4rem;
  border-right: 1px solid var(--line); font-size: .92rem; }
nav h1 { font-size: 1.1rem; margin: 0 0 .8rem; }
nav h2 { font-size: .95rem; margin: 1.2rem 0 .2rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { display: flex; justify-content: space-between; gap: .6rem; padding: .08rem 0; }
nav li a { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.kind, .place { color: var(--soft); font-size: .82rem; }
#search { width: 100%; padding: .45rem .6rem; font: inherit; color: inherit; background: var(--code);
  border: 1px solid var(--line); border-radius: .4rem; }
#search:focus { outline: 2px solid var(--link); outline-offset: 0; }
#none { color: var(--soft); }
main { padding: 1.6rem 2.4rem 6rem; max-width: 58rem; }
section > h2 { font-size: 1.6rem; margin: 1.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
section:first-child > h2 { margin-top: 0; }
article { margin: 2rem 0; }
article h3 { font-size: 1.15rem; margin: 0 0 .4rem; }
article h3 a { color: inherit; }
article h4 { font-size: .95rem; margin: 1rem 0 .3rem; color: var(--soft); }
article:target h3 { background: var(--mark); }
pre, code { font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--code); padding: .7rem .9rem; border-radius: .4rem; overflow-x: auto; margin: .5rem 0 .9rem; }
p code, li code, dt code { background: var(--code); padding: .1em .3em; border-radius: .25rem; }
p { margin: .5rem 0; }
dl { margin: .2rem 0 .8rem; } dt { margin-top: .4rem; } dd { margin: .1rem 0 .3rem 1.4rem; } dd p { margin: .1rem 0; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; }
.k { color: var(--word); } .t { color: var(--type); } .s { color: var(--text); } .c { color: var(--soft); }
[hidden] { display: none !important; }
@media (max-width: 52rem) { body { display: block; } nav { position: static; height: auto; max-height: 45vh; border-right: 0;
  border-bottom: 1px solid var(--line); } main { padding: 1.2rem 1.2rem 4rem; } }
@media print { nav { display: none; } body { display: block; } }
"#;

/// Shows what holds all words of the search, and hides the rest.
const SCRIPT: &str = r##"
(function () {
  var box = document.getElementById("search"), none = document.getElementById("none");
  var entries = Array.prototype.map.call(document.querySelectorAll("nav li"), function (li) {
    var article = document.getElementById(li.getAttribute("data-of"));
    return { li: li, article: article, text: article ? (article.id + " " + article.textContent).toLowerCase() : "" };
  });
  var sections = Array.prototype.map.call(document.querySelectorAll("main > section"), function (section) {
    var link = document.querySelector('nav h2 a[href="#' + section.id + '"]');
    return { section: section, heading: link && link.parentNode };
  });
  function search() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean), found = 0;
    entries.forEach(function (entry) {
      var hit = words.every(function (word) { return entry.text.indexOf(word) >= 0; });
      entry.li.hidden = !hit;
      if (entry.article) { entry.article.hidden = !hit; }
      found += hit ? 1 : 0;
    });
    sections.forEach(function (part) {
      var empty = words.length > 0 && !part.section.querySelector("article:not([hidden])");
      part.section.hidden = empty;
      if (part.heading) { part.heading.hidden = empty; }
    });
    none.hidden = found > 0 || words.length === 0;
  }
  box.hidden = false;
  box.addEventListener("input", search);
  box.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { box.value = ""; search(); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
  });
  window.addEventListener("hashchange", function () { box.value = ""; search(); });
})();
"##;

/// The page: `title` is escaped already, and so is what is in it.
pub(super) fn page(title: &str, names: &str, main: &str) -> String {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<nav>\n<h1>{title}</h1>\n\
         <input id=\"search\" type=\"search\" placeholder=\"Search (press /)\" aria-label=\"Search\" hidden>\n\
         <p id=\"none\" hidden>Nothing holds all of these words.</p>\n{names}</nav>\n<main>\n{main}</main>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}
