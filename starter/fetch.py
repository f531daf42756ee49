"""Fetch and prepare all starter data with one command: `python -m starter.fetch`.

Everything comes from package registries through their ordinary clients: drawings and names
through `npm pack`, speech synthesizers through `apt-get download` (unpacked, not installed; left
out where there is no apt). What is already there is kept.
"""

import logging
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

from starter.synthesizers import FESTIVAL_FOLDER, FLITE_FOLDER, PICO_FOLDER
from starter.vendors import SOURCES, VENDORS, build_pictures, folder_of
from starter.voices import build_speech

# Where each is unpacked, its component of Debian and its packages.
DEBS: dict[Path, tuple[str, tuple[str, ...]]] = {
    FLITE_FOLDER: ("main", ("flite", "libflite1")),
    FESTIVAL_FOLDER: (
        "main",
        ("festival", "libestools2.5", "festlex-cmu", "festlex-poslex", "festvox-kdlpc16k"),
    ),
    # Free of charge under Apache-2.0, but its data come without their sources.
    PICO_FOLDER: ("non-free", ("libttspico0", "libttspico-data")),
}

log = logging.getLogger(__name__)


def fetch_npm(package: str) -> None:
    """Download one npm package and unpack it under `cache/src`; nothing to do when it is there."""
    folder = folder_of(package)
    if (folder / "package.json").exists():
        return
    log.info("npm pack %s", package)
    drop = folder.with_suffix(".part")
    shutil.rmtree(drop, ignore_errors=True)
    drop.mkdir(parents=True)
    subprocess.run(["npm", "pack", "--silent", package], cwd=drop, check=True, capture_output=True)
    archive = next(drop.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(drop, filter="data")
    (drop / "package").replace(folder)
    shutil.rmtree(drop)


def _apt(component: str, drop: Path) -> list[str]:
    """apt-get that knows this component of the machine's own Debian, without changing its setup."""
    if component == "main":
        return ["apt-get"]
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    asked += ["Created-By: Packages", "Origin: Debian", "Component: main"]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    if not listed:
        raise FileNotFoundError("no Debian archive is set up here")
    (drop / "lists" / "partial").mkdir(parents=True)
    (drop / "cache" / "archives" / "partial").mkdir(parents=True)
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    (drop / "sources.list").write_text(f"deb {signed} {listed[0]} {component}\n", encoding="utf-8")
    places = {
        "Dir::Etc::SourceList": drop / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": drop / "lists",
        "Dir::Cache": drop / "cache",
    }
    apt = ["apt-get", *(part for k, v in places.items() for part in ("-o", f"{k}={v}"))]
    subprocess.run([*apt, "update"], check=True, capture_output=True)
    return apt


def fetch_debs(folder: Path, component: str, packages: tuple[str, ...]) -> None:
    """Download and unpack Debian packages; where that fails their voices are left out."""
    if folder.exists():
        return
    drop = folder.with_suffix(".part")
    shutil.rmtree(drop, ignore_errors=True)
    drop.mkdir(parents=True)
    try:
        apt = [*_apt(component, drop), "download", *packages]
        subprocess.run(apt, cwd=drop, check=True, capture_output=True)
        for deb in drop.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(drop)], check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        log.warning("%s could not be fetched, its voices are left out: %s", folder.name, error)
        shutil.rmtree(drop)
        return
    drop.replace(folder)


def main() -> int:
    """Fetch packages, rasterise the drawings, synthesise the speech. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not shutil.which("npm"):
        log.error("npm is needed to fetch the drawings: install Node.js, then run this again")
        return 1
    if not find_spec("resvg_py"):
        log.error("resvg-py is needed to rasterise the drawings: pip install -e '.[starter]'")
        return 1
    SOURCES.mkdir(parents=True, exist_ok=True)
    for package in ("emojibase-data", *(vendor.package for vendor in VENDORS.values())):
        fetch_npm(package)
    build_pictures()
    for folder, (component, packages) in DEBS.items():
        fetch_debs(folder, component, packages)
    build_speech()
    log.info("all data is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
