"""Where the measured exporter runs: a virtual environment with what the image has, no more.

Tools of the developer's environment change what is measured: httpx loads `rich` where it finds it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

_LOCK = ROOT / "requirements.lock"
_PLACE = ROOT / ".cache" / "benchmarks"


def base_environ(checkout: Path) -> dict[str, str]:
    """An environment in which the exporter comes from `checkout`, and nothing configures it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(checkout), "NO_PROXY": "127.0.0.1"}


def runtime_python() -> str:
    """The interpreter of that environment, which is set up anew when the lock has changed."""
    python = _PLACE / "bin" / "python"
    stamp = _PLACE / "lock"
    wanted = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("setting up .cache/benchmarks from requirements.lock", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_PLACE)], check=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "--require-hashes", "-r", str(_LOCK)], check=True)
        _install_exporter()
        # It would load a part of itself into every process, which the image's do not.
        subprocess.run([*pip[:-1], "uninstall", "--yes", "setuptools"], check=True)
        stamp.write_text(wanted)
    return str(python)


def _install_exporter() -> None:
    """So that it finds its own version. Its code is the checkout's, which comes first."""
    packages = sysconfig.get_path("purelib", vars={"base": str(_PLACE)})
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", packages]
    subprocess.run([*pip, *options, str(ROOT)], check=True)
