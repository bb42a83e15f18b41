# SPDX-License-Identifier: BSD-2-Clause
"""A private copy of the source tree and its two builds.

    tree/       the copy; only here lines are changed
    sanitized/  with AddressSanitizer and UndefinedBehaviorSanitizer: the tests are run from it
    counted/    with counts of what is executed, by which it is known which test reaches a line

Nothing in the work tree is written. A copy that an earlier run left wrong is put right at the start.
"""
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "checks"))
import tree as sources  # noqa: E402

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

# Suites whose tests are run, and programs of the model that are run when none of these has failed.
SUITES = {"unit", "client"}
MODEL_PROGRAMS = 200

OPTIONS = ["--buildtype=plain", "-Ddebug=false", "-Dtests=enabled"]
BUILDS = {
    "sanitized": [*OPTIONS, "-Doptimization=1", "-Db_sanitize=address,undefined"],
    "counted": [*OPTIONS, "-Doptimization=0", "-Db_coverage=true"],
}

# What must not reach the tests of the caller's environment.
FOREIGN = ["TPM2TOOLS_TCTI", "TCTI", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "TSS2_LOG",
           "NOTIFY_SOCKET", "TABRMD_TEST_VARIANT"]
SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:strict_string_checks=1"
                    ":detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Test:
    """A program of one of the builds, and what has to be built for it."""

    def __init__(self, name, command, environment, directory, files):
        self.name, self.command, self.directory, self.files = name, command, directory, files
        self.environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        self.environment.update(SANITIZERS)
        self.environment.update(environment)


def say(text):
    print(text, flush=True)


def fast_linker():
    """One that the compiler can use, or None for its own."""
    for name in ("mold", "lld"):
        probe = subprocess.run(["cc", f"-fuse-ld={name}", "-shared", "-o", os.devnull, "-x", "c",
                                os.devnull], stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            return name
    return None


def is_built(path):
    """In a build directory, whatever its name."""
    top = path.split(os.sep, 1)[0]
    return os.path.isdir(os.path.join(ROOT, top, "meson-private"))


class Workshop:
    """`directory` is made when it is not there. Only one run at a time may use it."""

    def __init__(self, directory):
        self.directory = os.path.realpath(directory)
        self.tree = os.path.join(self.directory, "tree")
        os.makedirs(self.tree, exist_ok=True)
        self.lock = open(os.path.join(self.directory, "lock"), "w", encoding="ascii")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{self.directory} is in use by another run: name another one with --build")

    def copy_tree(self):
        wanted = {path for path in sources.files(ROOT) if not is_built(path)}
        for path in set(sources.files(self.tree)) - wanted:
            os.unlink(os.path.join(self.tree, path))
        for path in wanted:
            here, there = os.path.join(ROOT, path), os.path.join(self.tree, path)
            with open(here, "rb") as file:
                content = file.read()
            if os.path.isfile(there):
                with open(there, "rb") as file:
                    if file.read() == content:
                        continue
            os.makedirs(os.path.dirname(there), exist_ok=True)
            shutil.copy(here, there)

    def read(self, path):
        with open(os.path.join(self.tree, path), encoding="utf-8") as file:
            return file.read()

    def write(self, path, content):
        with open(os.path.join(self.tree, path), "w", encoding="utf-8") as file:
            file.write(content)

    def build_path(self, build):
        return os.path.join(self.directory, build)

    def run_or_exit(self, command, environment=None):
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
        if run.returncode != 0:
            sys.exit(f"{shlex.join(command)}\n{run.stdout}")

    def configure(self, build):
        path = self.build_path(build)
        if os.path.isfile(os.path.join(path, "build.ninja")):
            return
        say(f"configuring {path}")
        environment = dict(os.environ)
        linker = fast_linker()
        if linker:
            environment.setdefault("CC_LD", linker)
        self.run_or_exit(["meson", "setup", *BUILDS[build], path, self.tree], environment)

    def introspect(self, build, what):
        return json.loads(subprocess.check_output(
            ["meson", "introspect", what, self.build_path(build)], encoding="utf-8"))

    def tests(self, build):
        """The tests of one of the builds by their names."""
        outputs = {target["id"]: target["filename"]
                   for target in self.introspect(build, "--targets")}
        found = {}
        for test in self.introspect(build, "--tests"):
            suites = {suite.rpartition(":")[2] for suite in test["suite"]}
            command = test["cmd"]
            if test["name"] == "model":
                command = [*command, "--programs", str(MODEL_PROGRAMS)]
            elif "long" in suites or not suites & SUITES:
                continue
            files = [file for target in test["depends"] for file in outputs[target]]
            found[test["name"]] = Test(test["name"], command, test["env"],
                                       test["workdir"] or self.build_path(build), files)
        return found

    def try_build(self, build, files):
        path = self.build_path(build)
        names = [os.path.relpath(file, path) for file in files]
        return subprocess.run(["ninja", "-C", path, *names], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def build_all(self, build):
        self.configure(build)
        # Made anew first, should the lists of tests have changed.
        path = self.build_path(build)
        self.run_or_exit(["ninja", "-C", path, "build.ninja"])
        files = sorted({os.path.relpath(file, path)
                        for test in self.tests(build).values() for file in test.files})
        say(f"building {path}")
        self.run_or_exit(["ninja", "-C", path, *files])

    def compile_commands(self):
        """For each source the command that compiles it, without sanitizers and names of outputs."""
        with open(os.path.join(self.build_path("sanitized"), "compile_commands.json"),
                  encoding="utf-8") as file:
            entries = json.load(file)
        commands = {}
        for entry in entries:
            path = os.path.relpath(os.path.realpath(os.path.join(entry["directory"], entry["file"])),
                                   self.tree)
            words = iter(shlex.split(entry["command"]))
            kept = []
            for word in words:
                if word in ("-o", "-MF", "-MQ", "-MT"):
                    next(words)
                elif not word.startswith(("-fsanitize", "-MD", "-O")):
                    kept.append(word)
            commands.setdefault(path, [*kept, "-O2", "-w"])
        return commands
