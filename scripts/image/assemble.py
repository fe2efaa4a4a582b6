"""Runs inside the build: collects what the exporter needs into the root of the image.

`assemble.py PACKAGES ROOT`: the interpreter with its standard library, the installed packages, the
shared libraries that these link to, and the few files that a C library wants under /etc.
Nothing else of the base image gets in. Standard library only.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

USER = 65532
PACKAGES_AT = Path("opt/bytespike")

# Parts of the standard library for developing, drawing windows and installing.
_STDLIB_OUT = (
    "__pycache__", "config-*", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3",
    "pydoc_data", "site-packages", "sitecustomize.py", "test", "tests", "tkinter", "turtle*",
    "unittest", "venv", "EXTERNALLY-MANAGED", "LICENSE.txt",
    "_test*.so", "_tkinter*.so", "_xxtestfuzz*.so", "xxlimited*.so", "_dbm*.so", "_gdbm*.so",
    "_curses*.so", "readline*.so", "nis*.so", "ossaudiodev*.so", "audioop*.so",
)  # fmt: skip
_PACKAGES_OUT = ("__pycache__", "bin", "*.pyi", "*.pyx", "*.pxd", "*.proto", "tests", "test")

_FILES = {
    "etc/passwd": f"bytespike:x:{USER}:{USER}::/var/lib/bytespike:/sbin/nologin\n",
    "etc/group": f"bytespike:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_FOLDERS = ("proc", "sys", "dev", "run", "etc/bytespike", "var/run/secrets")


def copy_tree(source: Path, target: Path, leave_out: tuple[str, ...]) -> None:
    """Copy a folder without what matches a pattern of `leave_out`."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*leave_out), dirs_exist_ok=True)


def inside(root: Path, path: Path) -> Path:
    """Where an absolute path of the base is in the image."""
    return root / path.relative_to("/")


def link_like_base(root: Path) -> None:
    """Make /lib and its like the links that they are in the base, before anything is copied."""
    for path in sorted(Path("/").glob("lib*")):
        if path.is_symlink():
            inside(root, path).symlink_to(path.readlink())
            (root / path.readlink()).mkdir(parents=True, exist_ok=True)


def copy_python(root: Path) -> None:
    """The interpreter, under the names that it is called by, and its library."""
    binary = Path(sys.executable).resolve()
    target = inside(root, binary)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, target)
    for name in {Path(sys.executable), binary.with_name("python3"), Path("/usr/local/bin/python3")}:
        link = inside(root, name)
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(binary)
    library = Path(sysconfig.get_path("stdlib"))
    copy_tree(library, inside(root, library), _STDLIB_OUT)


def copy_packages(packages: Path, root: Path) -> None:
    """The packages, and of all their commands the exporter's."""
    copy_tree(packages, root / PACKAGES_AT, _PACKAGES_OUT)
    command = root / "usr/local/bin/bytespike-exporter"
    command.parent.mkdir(parents=True, exist_ok=True)
    interpreter = Path(sys.executable).resolve()
    command.write_text(f"#!{interpreter}\nfrom exporter.cli import main\n\nmain()\n", "utf-8")
    command.chmod(0o755)


def linked(binary: Path) -> set[Path]:
    """The shared libraries that a binary needs, as paths of the base."""
    done = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise SystemExit(f"assemble: {binary}: {done.stdout}")
    return {Path(found) for found in re.findall(r"(/\S+) \(0x", done.stdout)}


def copy_libraries(root: Path) -> None:
    """Every shared library that something in the image links to."""
    binaries = [path for path in root.rglob("*") if path.is_file() and _is_elf(path)]
    # Loaded by name when a thread ends, so that nothing links to it.
    needed = set(Path("/").glob("lib/*-linux-gnu*/libgcc_s.so.1"))
    for binary in binaries:
        needed |= linked(binary)
    for library in sorted(needed):
        if library.is_relative_to(root):
            continue
        target = inside(root, library)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library.resolve(), target)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def write_files(root: Path) -> None:
    """Users, name resolution, and the folders that volumes are mounted on."""
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    temporary = root / "tmp"
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    state = root / "var/lib/bytespike"
    state.mkdir(parents=True, exist_ok=True)
    os.chown(state, USER, USER)


def compile_all(root: Path) -> None:
    """Byte code beside the sources: a read-only root could not keep it, and it holds no times."""
    for folder in (root / PACKAGES_AT, inside(root, Path(sysconfig.get_path("stdlib")))):
        compileall.compile_dir(
            folder,
            quiet=2,
            stripdir=str(root),
            prependdir="/",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def level_times(root: Path) -> None:
    """Give every file the same time, so that the same inputs make the same image."""
    for path in [*root.rglob("*"), root]:
        os.utime(path, (0, 0), follow_symlinks=False)


def main(packages: Path, root: Path) -> None:
    os.umask(0o022)
    root.mkdir(parents=True)
    link_like_base(root)
    copy_python(root)
    copy_packages(packages, root)
    copy_libraries(root)
    write_files(root)
    compile_all(root)
    level_times(root)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
