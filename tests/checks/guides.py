# SPDX-License-Identifier: BSD-2-Clause
"""The guides of doc/ can be tried, and name nothing that tabrmd does not have.

scripts/lib/guides.py reads each page, as it does for scripts/try-guides; README.md links each; keys in files
of the configuration are keys, and tabrmctl has the subcommands and options; links lead to files.
"""
import importlib.util
import os
import re

import tabrmctl
import tree

README = "README.md"
PLACE = "doc/guides/"
KEYS = "conf/tabrmd.conf"
USER_KEYS = "man/tabrmd.conf.5"
LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib", "guides.py")


def load_guides():
    spec = importlib.util.spec_from_file_location("guides", LIBRARY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guides = load_guides()


def known_keys(root):
    """Keys of [Daemon], and those of sections about users, which are tags of the manual page."""
    daemon = set(re.findall(r"^#([a-z][a-z-]*)=", tree.read(root, KEYS), re.M))
    tags = re.findall(r"^\.TP\n\.\w+ (.*)", tree.read(root, USER_KEYS), re.M)
    users = set(re.findall(r"[a-z][a-z-]+", " ".join(tags).replace("\\-", "-")))
    return daemon, daemon | users


def unknown_keys(step, daemon, users):
    known = set()
    for line in step.text.split("\n"):
        section = re.match(r"\[(\w+)", line)
        if section:
            known = daemon if section.group(1) == "Daemon" else users
        key = re.match(r"([\w-]+)=", line)
        if key and key.group(1) not in known:
            yield f"no key \"{key.group(1)}\""


def unknown_words(step, known):
    """Subcommands of tabrmctl, and their options, that there are not."""
    for line in re.findall(r"\btabrmctl ([^|;&\n]*)", step.text):
        words = line.split(" -- ")[0].split()
        options = {word[2:].split("=")[0] for word in words if word.startswith("--")} - {""}
        named = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        if not named or named[0] not in known:
            yield f"no subcommand of tabrmctl: {line.strip()}"
            continue
        for option in sorted(options - known[named[0]] - known[tabrmctl.ALL]):
            yield f"tabrmctl {named[0]} has no option --{option}"


def links(root, path, content):
    for target in re.findall(r"\]\(([^)#:]+)\)", content):
        whole = os.path.normpath(os.path.join(root, os.path.dirname(path), target))
        if not os.path.exists(whole):
            yield f"{path}: there is no {target}"


def check(root):
    readme = tree.read(root, README)
    daemon, users = known_keys(root)
    subcommands = tabrmctl.of_source(root)
    findings = []
    for path in tree.files(root, ".md"):
        if not path.startswith(PLACE):
            continue
        content = tree.read(root, path)
        findings += links(root, path, content)
        if f"({path})" not in readme:
            findings.append(f"{path}: {README} does not link it")
        try:
            steps, _ = guides.steps(content)
        except guides.Fault as fault:
            findings.append(f"{path}:{fault}")
            continue
        for step in steps:
            if step.kind == "file" and re.search(r"/tabrmd\.conf\.d/(?!wrong)", step.path):
                findings += [f"{path}:{step.line}: {what}" for what in unknown_keys(step, daemon, users)]
            findings += [f"{path}:{step.line}: {what}"
                         for what in unknown_words(step, subcommands)]
    return findings


PAGE = """Text.
```sh
tabrmctl status
```
```ini
# /etc/tabrmd/tabrmd.conf.d/a.conf
[Daemon]
max-sessions=8
[User a]
priority=high
```
"""
TREE = {
    README: "[a](doc/guides/a.md)\n",
    KEYS: "[Daemon]\n#max-sessions=16\n",
    USER_KEYS: ".TP\n.B priority\n",
    tabrmctl.MAIN: "",
    tabrmctl.TABLE: "&s_subcommand,\n",
    "tabrmctl/s.c": "{\"wide\", 'w', 0, 0}\nconst struct subcommand s_subcommand = {\n.name = \"status\"\n};\n",
}
SAMPLES = [
    ({**TREE, PLACE + "a.md": PAGE + "[b](../../README.md)\n"}, []),
    ({**TREE, PLACE + "b.md": PAGE}, ["b.md: README.md does not link it"]),
    ({**TREE, PLACE + "a.md": PAGE.replace("status", "state")}, ["a.md:2: no subcommand .*: state"]),
    ({**TREE, PLACE + "a.md": PAGE.replace("status", "status --wide --tall")}, ["no option --tall"]),
    ({**TREE, PLACE + "a.md": PAGE.replace("max-", "most-")}, ["a.md:5: no key \"most-sessions\""]),
    ({**TREE, PLACE + "a.md": PAGE.replace("priority=high\n", "no-dbus=yes\n")}, ["no key \"no-dbus\""]),
    ({**TREE, PLACE + "a.md": PAGE + "[b](b.md)\n"}, ["a.md: there is no b.md"]),
    ({**TREE, PLACE + "a.md": PAGE + "```yaml\na: b\n```\n"}, ["a.md:12: a block of \"yaml\""]),
    ({**TREE, PLACE + "a.md": "<!-- maybe -->\n" + PAGE}, ["a.md:1: an unknown remark"]),
    ({**TREE, PLACE + "a.md": "<!-- fails -->\n" + PAGE}, ["a.md:2: the remark \"fails\""]),
    ({**TREE, PLACE + "a.md": "```sh\ntrue\n"}, ["a.md:1: there is no"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
