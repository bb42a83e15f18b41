# SPDX-License-Identifier: BSD-2-Clause
"""The manual page and the completions of tabrmctl have the subcommands and options that it has.

The table of subcommands.c has the subcommands, the file of each its options, main.c those of all. The
page also has the ids of what doctor finds.
"""
import re

import tree

ROOM = "tabrmctl/"
TABLE = "tabrmctl/subcommands.c"
MAIN = "tabrmctl/main.c"
PAGE = "man/tabrmctl.1"
BASH = "tabrmctl/completion/tabrmctl.bash"
ZSH = "tabrmctl/completion/_tabrmctl"
FISH = "tabrmctl/completion/tabrmctl.fish"
ALL = ""  # the options that each subcommand has

OPTION = re.compile(r'\{"([a-z-]+)",\s*(?:\'.\'|0),\s*([\w| ]+),')


def options_in(text):
    return {name for name, flags in OPTION.findall(text) if "HIDDEN" not in flags}


def of_source(root):
    """Each subcommand's options."""
    found = {ALL: options_in(tree.read(root, MAIN))}
    table = tree.read(root, TABLE)
    for variable in re.findall(r"&(\w+_subcommand),", table):
        for path in tree.files(root, ".c"):
            text = tree.read(root, path) if path.startswith(ROOM) else ""
            body = re.search(rf"^const struct subcommand {variable} = \{{(.*?)^\}};", text, re.M | re.S)
            if body:
                name = re.search(r'\.name = "([a-z-]+)"', body.group(1)).group(1)
                found[name] = options_in(text)
    return found


def long_options(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def of_page(text):
    text = text.replace("\\-", "-")
    section = dict(re.findall(r"^\.SH ([A-Z ]+)\n(.*?)(?=^\.SH|\Z)", text, re.M | re.S))

    def tags(body):
        return long_options("\n".join(re.findall(r"^\.TP\n(\..*)", body, re.M)))

    found = {ALL: tags(section.get("OPTIONS", ""))}
    for name, body in re.findall(r"^\.SS \"?([a-z-]+)[^\n]*\n(.*?)(?=^\.SS|\Z)",
                                 section.get("SUBCOMMANDS", ""), re.M | re.S):
        found[name] = tags(body)
    return found


def of_bash(text):
    globals_ = re.search(r'globals="([^"]*)"', text)
    found = {ALL: long_options(globals_.group(1) if globals_ else "")}
    for name, words in re.findall(r'^\s+([a-z-]+)\) options="([^"]*)"', text, re.M):
        found[name] = long_options(words)
    named = re.search(r'"\"*"?\) options="([a-z -]*)"', text)
    names = set(named.group(1).split()) if named else set()
    return {name: options for name, options in found.items() if name == ALL or name in names}


def of_zsh(text):
    globals_ = re.search(r"globals=\((.*?)\n    \)", text, re.S)
    found = {ALL: long_options(globals_.group(1) if globals_ else "")}
    named = re.search(r"subcommands=\((.*?)\n    \)", text, re.S)
    names = re.findall(r"'([a-z-]+):", named.group(1)) if named else []
    for name, body in re.findall(r"^        ([a-z-]+)\)\n            options=\((.*?)\n            \)",
                                 text, re.M | re.S):
        if name in names:
            found[name] = long_options(body)
    return found


def of_fish(text):
    found = {ALL: set()}
    for line in re.findall(r"^complete .*", text, re.M):
        option = re.search(r" -l ([a-z-]+)", line)
        seen = re.search(r"-n '__fish_seen_subcommand_from ([a-z-]+)'", line)
        named = re.search(r'-n "not __fish_seen_subcommand_from.* -a ([a-z-]+)', line)
        if named:
            found.setdefault(named.group(1), set())
        elif option:
            found.setdefault(seen.group(1) if seen else ALL, set()).add(option.group(1))
    return found


def compare(source, other, path):
    for name in sorted(source.keys() - other.keys()):
        yield f"{path}: no subcommand {name}"
    for name in sorted(other.keys() - source.keys()):
        yield f"{TABLE}: no subcommand {name}, as in {path}"
    for name in sorted(source.keys() & other.keys()):
        of_what = f" of {name}" if name else ""
        for option in sorted(source[name] - other[name]):
            yield f"{path}: no option --{option}{of_what}"
        for option in sorted(other[name] - source[name]):
            yield f"{TABLE}: no option --{option}{of_what}, as in {path}"


def faults_of_source(root):
    found = set()
    for path in tree.files(root, ".c"):
        if path.startswith(ROOM):
            found.update(re.findall(r'doctor_report_fault\(\s*report, \w+, "([a-z0-9.-]+)"',
                                    tree.read(root, path)))
    return found


def faults_of_page(text):
    section = re.search(r"^The ids of findings are\n((?:\.BR? .*\n|and\n)*)", text, re.M)
    return set(re.findall(r"[a-z0-9.-]*[a-z0-9]", section.group(1).replace("\\-", "-"))
               if section else ()) - {"and"}


def compare_faults(source, page):
    yield from (f"{PAGE}: no id {name}" for name in sorted(source - page))
    yield from (f"{ROOM}: no fault {name}, as in {PAGE}" for name in sorted(page - source))


def check(root):
    readers = {PAGE: of_page, BASH: of_bash, ZSH: of_zsh, FISH: of_fish}
    paths = tree.files(root)
    absent = [path for path in (TABLE, MAIN, *readers) if path not in paths]
    if absent:
        return [f"{path}: not there" for path in absent]
    source = of_source(root)
    findings = [finding for path, reader in readers.items()
                for finding in compare(source, reader(tree.read(root, path)), path)]
    return findings + list(compare_faults(faults_of_source(root), faults_of_page(tree.read(root, PAGE))))


GOOD = {
    MAIN: '    {"help", \'h\', 0, NONE},\n    {"json", 0, 0, NONE},\n',
    TABLE: "table[] = {\n    &run_subcommand,\n};\n",
    "tabrmctl/run.c": '    {"tcti", \'t\', 0, STRING},\n    {"secret", 0, G_OPTION_FLAG_HIDDEN, N},\n'
                      'const struct subcommand run_subcommand = {\n    .name = "run",\n};\n',
    PAGE: ".SH OPTIONS\nText.\n.TP\n.BR \\-h \", \" \\-\\-help\n.TP\n.B \\-\\-json\n.SH SUBCOMMANDS\n"
          ".SS run \\-\\- X\n.TP\n.BR \\-t \", \" \\-\\-tcti =X\n.SH X\n",
    BASH: 'local globals="--help --json"\n    "") options="run" ;;\n    run) options="--tcti= --" ;;\n',
    ZSH: "    globals=(\n        '(-h --help)'{-h,--help}'[x]'\n        '--json[x]'\n    )\n"
         "    subcommands=(\n        'run:x'\n    )\n"
         "        run)\n            options=(\n                '--tcti=[x]:y:'\n            )\n",
    FISH: "complete -c tabrmctl -s h -l help\ncomplete -c tabrmctl -l json\n"
          "complete -c tabrmctl -n \"not __fish_seen_subcommand_from $x\" -a run -d 'X'\n"
          "complete -c tabrmctl -n '__fish_seen_subcommand_from run' -s t -l tcti -x\n",
}
FAULT = {
    "tabrmctl/d.c": 'doctor_report_fault(\n    report, DOCTOR_ASIDE, "tpm-1.2",\n'
                    'doctor_report_fault(report, DOCTOR_ASIDE, "gone", x\n',
}
FAULT_PAGE = "Text.\nThe ids of findings are\n.BR tpm\\-1.2 ,\n.B gone\nand\n.BR other .\n.TP\n.B \\-x\n"
MORE = {
    TABLE: "table[] = {\n    &run_subcommand,\n    &new_subcommand,\n};\n",
    "tabrmctl/new.c": 'const struct subcommand new_subcommand = {\n    .name = "new",\n};\n',
}
FEWER = {
    PAGE: GOOD[PAGE].replace("tcti", "tc"),
    BASH: GOOD[BASH].replace("--json", "--jason"),
    ZSH: GOOD[ZSH].replace("--tcti", "--tct"),
    FISH: GOOD[FISH].replace("from run' -s t -l tcti", "from run' -l tctis"),
}
SAMPLES = [
    (GOOD, []),
    ({**GOOD, **MORE}, [rf"{path}: no subcommand new" for path in (PAGE, BASH, ZSH, FISH)]),
    ({**GOOD, **FEWER}, ["1: no option --tcti of run", "no option --tc of run, as in man",
                         "bash: no option --json", "no option --jason, as in",
                         "_tabrmctl: no option --tcti of run", "no option --tct of run",
                         "fish: no option --tcti of run", "no option --tctis of run"]),
    ({**GOOD, **FAULT}, ["no id gone", "no id tpm-1.2"]),
    ({**GOOD, **FAULT, PAGE: GOOD[PAGE] + FAULT_PAGE}, ["no fault other, as in man"]),
    ({MAIN: ""}, ["subcommands.c: not there", "1: not there", "bash: not there", "_tabrmctl: not there",
                  "fish: not there"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
