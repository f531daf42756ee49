"""Carried: a produced file with its recipe inside, and signed where a certificate is set.

This is another representation of an asset, made when somebody downloads it: other bytes, another
hash, another ETag. The stored bytes stay what their name says, so caching steps, ranges and hashes
know nothing of recipes. What was made once is kept, so that parts of a download fit together.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine

from medley.backend import ModelSpec
from medley.errors import BrokenMedia, NotFound, Unavailable
from medley.media.carrying import carry, room
from medley.media.carrying_pictures import Notes
from medley.media.credentials import SIGNED, Ingredient, Signer
from medley.recipe import Recipe
from medley.settings import Settings
from orchestrator import recipes
from orchestrator.asset_rows import Asset
from orchestrator.assets import AssetStore
from orchestrator.lineage import lineage

_MOST_SIGNED = 256 << 20  #: bytes; signing reads a file several times
_ABANDONED_S = 6 * 3600.0
_YOUNG_S = 600.0  #: a file that was asked for so lately is not removed


def signer_of(settings: Settings) -> Signer | None:
    """The operator's signer. Raises `MissingExtra`; `Unavailable` for a key that does not fit."""
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Unavailable("Set both MEDLEY_C2PA_CERTIFICATE and MEDLEY_C2PA_KEY, or neither.")
    return Signer(certificate, key, settings.c2pa_algorithm)


@dataclass(frozen=True, slots=True)
class Representation:
    """A file to be sent, and the hash of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Turned:
    """An asset in another file format, which is made when it is wanted."""

    media_type: str
    make: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """Makes files with recipes, and keeps them in a folder of bounded size."""

    db: Engine
    store: AssetStore
    models: dict[str, ModelSpec]
    folder: Path
    most_bytes: int
    embeds: bool = True
    signer: Signer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, tenant: str, asset: Asset, turned: Turned | None = None) -> Representation | None:
        """The asset, or what it is `turned` into, with its recipe; None where it goes out without
        one: an upload, a kind of file that carries nothing, or a job that asked for none.
        """
        if asset.origin.get("kind") != "step":
            return None
        kind = turned.media_type if turned else asset.media_type
        signs = self.signer is not None and kind in SIGNED and asset.size <= _MOST_SIGNED
        space = room(kind) if self.embeds else 0
        if not space and not signs:
            return None
        with self.db.connect() as conn:
            if recipes.opted_out(conn, tenant, asset):
                space = 0
            recipe = recipes.recipe_of(conn, tenant, asset, self.models)
        if recipe is None or not (space or signs):
            return None
        notes = recipe.to_text(space) if space else ""
        if len(notes) > space:
            notes = ""
        signer = self.signer if signs else None
        signed_by = signer.name if signer else ""
        identity = (asset.sha256, kind, notes, recipe.parameters(), recipe.xmp(), signed_by)
        key = hashlib.sha256("\0".join(identity).encode()).hexdigest()
        place = self.folder / key[:2]
        if found := _kept(place, key):
            return found
        with self._lock:  # one at a time: two readers of the same file want the same signature
            if found := _kept(place, key):
                return found
            try:
                return self._make(tenant, asset, turned, recipe, notes, signer, place, key)
            except BrokenMedia:
                return None  # a file that takes no notes is still a file

    def _make(
        self,
        tenant: str,
        asset: Asset,
        turned: Turned | None,
        recipe: Recipe,
        notes: str,
        signer: Signer | None,
        place: Path,
        key: str,
    ) -> Representation:
        place.mkdir(parents=True, exist_ok=True)
        kind = turned.media_type if turned else asset.media_type
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="making-") as work:
            made = self.store.path(asset.sha256)
            if turned is not None:
                made = Path(work, "turned")
                made.write_bytes(turned.make())
            if notes:
                plain, made = made, Path(work, "noted")
                said = Notes(text=notes, parameters=recipe.parameters(), xmp=recipe.xmp())
                carry(plain, made, kind, said)
            if signer is not None:
                signed = Path(work, "signed")
                signer.sign(
                    made,
                    signed,
                    kind,
                    version=version("medley-orchestrator"),
                    model=recipe.model,
                    made_at=recipe.made_at,
                    generated=recipe.generated,
                    ingredients=self._ingredients(tenant, asset),
                )
                made = signed
            with made.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            target = place / f"{key}-{sha256}"
            os.replace(made, target)
        self._make_room()
        return Representation(target, sha256)

    def bytes_of(self, tenant: str, asset: Asset, turned: Turned | None = None) -> bytes:
        """The same as bytes, with the recipe where it takes one. Raises `NotFound`."""
        if carried := self.of(tenant, asset, turned):
            return carried.path.read_bytes()
        return turned.make() if turned else self.store.path(asset.sha256).read_bytes()

    def _ingredients(self, tenant: str, asset: Asset) -> Sequence[Ingredient]:
        """The uploads that it was made from."""
        with self.db.connect() as conn:
            behind = lineage(conn, tenant, asset).assets.values()
        found = []
        for item in behind:
            if item.origin.get("kind") == "upload" and item.media_type in SIGNED:
                with suppress(NotFound):
                    path = self.store.path(item.sha256)
                    if item.size <= _MOST_SIGNED:
                        title = str(item.origin.get("name") or item.id)
                        found.append(Ingredient(path=path, media_type=item.media_type, title=title))
        return found

    def _make_room(self) -> None:
        """Removes what was asked for longest ago, as long as there is too much; and what a process
        that was killed had begun.
        """
        for left in self.folder.glob("making-*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(left, ignore_errors=True)
        files = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                files.append((path.stat().st_mtime, path.stat().st_size, path))
        files.sort()
        total = sum(size for _, size, _ in files)
        newest = files[-1][0] if files else 0.0
        for age, size, path in files:
            if total <= self.most_bytes or newest - age < _YOUNG_S:
                return
            path.unlink(missing_ok=True)
            total -= size


def _kept(place: Path, key: str) -> Representation | None:
    for path in place.glob(f"{key}-*"):
        with suppress(FileNotFoundError):
            os.utime(path)  # young again
            return Representation(path, path.name.partition("-")[2])
    return None


def carrier_of(
    settings: Settings, db: Engine, store: AssetStore, models: dict[str, ModelSpec]
) -> Carrier:
    """The carrier of this installation. Raises what `signer_of` raises."""
    return Carrier(
        db=db,
        store=store,
        models=models,
        folder=settings.home / "carried",
        most_bytes=settings.carried_bytes,
        embeds=settings.recipes,
        signer=signer_of(settings),
    )
