# SPDX-License-Identifier: BSD-2-Clause
"""The release archive, which `meson dist` makes of the last commit, has all of its files and can be
configured with the tests.

    dist.py SOURCE BUILD        where the source tree is no repository, but perhaps a part of
                                somebody's, there is nothing to archive
    dist.py --self-test         on a project that lacks a file
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import tree


def run(*words, cwd=None):
    """What it says, or the last lines of that as an error."""
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: " + done.stdout.strip()[-2000:])
    return done.stdout


def is_repository(source):
    try:
        return run("git", "rev-parse", "--show-prefix", cwd=source).strip() == ""
    except RuntimeError:
        return False


def committed(source):
    return set(run("git", "ls-tree", "-r", "--name-only", "-z", "HEAD", cwd=source).split("\0")[:-1])


def check(source, build, *options):
    """Why the archive will not do, or nothing."""
    with tempfile.TemporaryDirectory(prefix="tabrmd-dist.") as directory:
        try:
            said = run("meson", "dist", "-C", build, "--no-tests", "--include-subprojects",
                       "--allow-dirty", "--formats", "gztar")
            archive = re.search(r"^Created (.*)$", said, re.M).group(1)
            with tarfile.open(archive) as tar:
                tar.extractall(directory)
            top, = pathlib.Path(directory).iterdir()
            there = {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}
            lacks = sorted(committed(source) - there)
            if lacks:
                return f"the archive lacks {', '.join(lacks)}"
            run("meson", "setup", *options, pathlib.Path(directory, "build"), top)
        except RuntimeError as error:
            return str(error)
    return None


def make_project(directory, files, left_out):
    source = pathlib.Path(directory, "source")
    source.mkdir()
    for name, text in files.items():
        pathlib.Path(source, name).write_text(text, encoding="utf-8")
    run("git", "init", "-q", cwd=source)
    run("git", "add", *[name for name in files if name != left_out], cwd=source)
    run("git", "-c", "user.name=nobody", "-c", "user.email=nobody", "commit", "-q", "-m", "all",
        cwd=source)
    return source


def self_test():
    """A file that was not committed is not in the archive, nor is one that git is to leave out."""
    files = {"meson.build": "project('p', version: '1')\nconfigure_file(input: 'a.in', output: 'a', "
                            "copy: true)\n", "a.in": "a\n", "b": "b\n"}
    for left_out, attributes, wanted in (("", "", None), ("a.in", "", "a.in"), ("", "b", "lacks b")):
        with tempfile.TemporaryDirectory(prefix="tabrmd-dist.") as directory:
            mine = {**files, ".gitattributes": f"{attributes} export-ignore\n" if attributes else ""}
            source = make_project(directory, mine, left_out)
            build = pathlib.Path(directory, "build")
            run("meson", "setup", build, source)
            found = check(source, build)
            assert (found is None) == (wanted is None) and (wanted or "") in (found or ""), found
            part = pathlib.Path(source, "part")
            part.mkdir()
            where = [is_repository(path) for path in (source, part, directory)]
            assert where == [True, False, False], where


def main():
    # A hook of git's has these, for its own repository.
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    if not shutil.which("git"):
        return tree.leave(tree.Missing("git", "git"))
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    source, build = sys.argv[1:]
    if not is_repository(source):
        return tree.leave(tree.Unchecked("no repository, no archive"))
    found = check(source, build, "-Dtests=enabled")
    if found:
        print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
