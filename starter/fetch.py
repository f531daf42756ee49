"""Fetch and prepare all starter data with one command: `python -m starter.fetch`.

Everything comes from package registries through their ordinary clients: drawings and names
through `npm pack`, the second speech synthesizer through `apt-get download` (unpacked, not
installed; left out where there is no apt). What is already there is kept.
"""

import logging
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

from starter.vendors import SOURCES, VENDORS, build_pictures, folder_of
from starter.voices import FLITE_FOLDER, build_speech

DEBS = ("flite", "libflite1")

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


def fetch_flite(folder: Path = FLITE_FOLDER) -> None:
    """Download and unpack the Debian packages of flite; without apt its voices are left out."""
    if folder.exists():
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        log.warning("no apt-get and dpkg here: the flite voices are left out")
        return
    drop = folder.with_suffix(".part")
    shutil.rmtree(drop, ignore_errors=True)
    drop.mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "download", *DEBS], cwd=drop, check=True, capture_output=True)
        for deb in drop.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(drop)], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        log.warning("flite could not be fetched, its voices are left out: %s", error)
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
    fetch_flite()
    build_speech()
    log.info("all data is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
