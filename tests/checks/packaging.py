# SPDX-License-Identifier: BSD-2-Clause
"""What is installed is in a package, and what packages list is installed; their versions are one.

    packaging.py SOURCE BUILD   of debian/ and packaging/, and what `meson install` makes of BUILD
    packaging.py --self-test    on small trees
"""
import fnmatch
import glob
import os
import re
import subprocess
import sys
import tempfile

import tree

SPEC = "packaging/rpm/tabrmd.spec"
PKGBUILD = "packaging/arch/PKGBUILD"
# As Debian's rpm and debhelper have them.
MACROS = {"_sysconfdir": "/etc", "_prefix": "/usr", "_bindir": "/usr/bin", "_sbindir": "/usr/sbin",
          "_libdir": "/usr/lib/*", "_includedir": "/usr/include", "_datadir": "/usr/share",
          "_mandir": "/usr/share/man"}


def installed(build):
    """Where a build for /usr with the configuration in /etc has its files; None if it lacks some."""
    with tempfile.TemporaryDirectory(prefix="tabrmd-packaging.") as directory:
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", directory],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise RuntimeError("meson install: " + done.stdout.strip()[-2000:])
        paths = {moved("/" + os.path.relpath(os.path.join(top, name), directory))
                 for top, _, names in os.walk(directory) for name in names}
    # Packages are built without it.
    paths.discard("/etc/apparmor.d/tabrmd")
    return paths if "/usr/bin/tabrmctl" in paths and "/usr/sbin/tabrmd" in paths else None


def moved(path):
    """Where it is in a build for /usr; only Debian's zsh looks in vendor-completions."""
    for pattern, better in ((r"^/usr/local/etc/", "/etc/"), (r"^/usr/local/", "/usr/"),
                            (r"^/etc/dbus-1/", "/usr/share/dbus-1/"),
                            (r"/zsh/vendor-completions/", "/zsh/site-functions/")):
        path = re.sub(pattern, better, path)
    return path


def is_listed(path, pattern):
    """A pattern is that of a file, or of a directory with all that is in it."""
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, pattern + "/*")


def debian_lists(root):
    for path in sorted(glob.glob("debian/*.install", root_dir=root)):
        yield path, ["/" + line.strip() for line in tree.read(root, path).splitlines() if line.strip()]


def spec_lists(root):
    """Each %files of the spec, and what it removes before."""
    text = re.sub(r"%\{(\w+)\}", lambda word: MACROS.get(word[1], word[0]), tree.read(root, SPEC))
    yield f"{SPEC}: removed", re.findall(r"^rm -r %\{buildroot\}(\S+)$", text, re.M)
    for name, lines in re.findall(r"^%files *(\S*)\n((?:.+\n)*)", text, re.M):
        patterns = [re.sub(r"^%config\S* ", "", line) for line in lines.splitlines()
                    if not re.match(r"%(dir|doc|license) ", line)]
        yield f"{SPEC}: %files {name}".rstrip(), patterns


def check_lists(paths, lists, findings):
    lists = list(lists)
    where = lists[-1][0].split(":")[0].split("/")[0] if lists else "?"
    for path in sorted(paths):
        listed = [name for name, patterns in lists for pattern in patterns if is_listed(path, pattern)]
        if len(listed) != 1:
            findings.append(f"{where}: {path} is in {' and '.join(listed) or 'no list'}")
    for name, patterns in lists:
        for pattern in patterns:
            if not any(is_listed(path, pattern) for path in paths):
                findings.append(f"{name}: {pattern} is not installed")


def check_versions(root, findings):
    wanted = re.search(r"^ *version: '(.*)',", tree.read(root, "meson.build"), re.M).group(1)
    for path, pattern in ((SPEC, r"^Version: *(.*)"), (SPEC, r"^%changelog\n.*> - (.*)-"),
                          (PKGBUILD, r"^pkgver=(.*)"), ("debian/changelog", r"^tabrmd \(1:(.*)-")):
        found = re.search(pattern, tree.read(root, path), re.M)
        if not found or found.group(1) != wanted:
            findings.append(f"{path}: the version is {found.group(1) if found else 'none'}, not {wanted}")


def check(root, paths):
    if not paths:
        raise tree.Unchecked("the daemon or tabrmctl is not built, which needs Debian's package"
                             " libjson-glib-dev: packages not checked")
    findings = []
    check_lists(paths, debian_lists(root), findings)
    check_lists(paths, spec_lists(root), findings)
    check_versions(root, findings)
    kept = re.search(r"^backup=\((.*)\)", tree.read(root, PKGBUILD), re.M).group(1).split()
    in_etc = sorted(path.lstrip("/") for path in paths if path.startswith("/etc/"))
    if kept != in_etc:
        findings.append(f"{PKGBUILD}: backup is {kept}, not {in_etc}")
    return findings


def sample(changes):
    files = {
        "meson.build": "project('tabrmd', 'c',\n  version: '1.2.3',\n",
        "debian/changelog": "tabrmd (1:1.2.3-1) unstable; urgency=medium\n",
        "debian/tabrmd.install": "etc\nusr/sbin\n",
        "debian/tools.install": "usr/bin/tabrmctl\n",
        SPEC: "Version: 1.2.3\nrm -r %{buildroot}/usr/share\n%files\n%dir %{_sysconfdir}/x\n"
              "%config(noreplace) %{_sysconfdir}/x.conf\n%{_sbindir}/tabrmd\n\n%files tools\n"
              "%license LICENSE\n%{_bindir}/tabrmctl\n\n%changelog\n* Thu somebody <a@b> - 1.2.3-1\n",
        PKGBUILD: "pkgver=1.2.3\nbackup=(etc/x.conf)\n",
    }
    for path, (old, new) in changes.items():
        assert old in files[path]
        files[path] = files[path].replace(old, new)
    return files


PATHS = {"/usr/bin/tabrmctl", "/usr/sbin/tabrmd", "/etc/x.conf"}
NO_SHARE = f"{SPEC}: removed: /usr/share is not installed"
SAMPLES = [
    (sample({}), [NO_SHARE]),
    (sample({SPEC: ("rm -r", "rm -rf")}), []),
    (sample({"debian/tools.install": ("usr/bin/tabrmctl", "usr/lib")}),
     ["debian: /usr/bin/tabrmctl is in no list", "tools.install: /usr/lib is not installed", NO_SHARE]),
    (sample({"debian/tools.install": ("usr/bin/tabrmctl", "usr")}),
     ["/usr/sbin/tabrmd is in debian/tabrmd.install and debian/tools.install", NO_SHARE]),
    (sample({SPEC: ("%{_sbindir}/tabrmd", "%{_sbindir}/other")}),
     ["packaging: /usr/sbin/tabrmd is in no list", NO_SHARE, "%files: /usr/sbin/other is not"]),
    (sample({SPEC: ("Version: 1.2.3", "Version: 1.2.2"), PKGBUILD: ("1.2.3", "1.2.4")}),
     [NO_SHARE, "tabrmd.spec: the version is 1.2.2, not 1.2.3", "PKGBUILD: the version is 1.2.4"]),
    (sample({"debian/changelog": ("1.2.3", "1.2.0"), PKGBUILD: ("etc/x.conf", "")}),
     [NO_SHARE, "changelog: the version is 1.2.0", "backup is \\[\\], not"]),
]


def self_test():
    assert moved("/usr/local/etc/x") == moved("/etc/x") == "/etc/x"
    assert moved("/etc/dbus-1/system.d/x") == "/usr/share/dbus-1/system.d/x"
    assert moved("/usr/local/share/zsh/site-functions/x") == moved("/usr/share/zsh/vendor-completions/x")
    return tree.self_test(lambda root: check(root, PATHS), SAMPLES)


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} SOURCE BUILD | --self-test")
    try:
        findings = check(sys.argv[1], installed(sys.argv[2]))
    except tree.Unchecked as unchecked:
        sys.exit(tree.leave(unchecked))
    except RuntimeError as error:
        findings = [str(error)]
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
