"""Content credentials (C2PA): signing what was produced here, and reading what others signed.

Needs the extra `[c2pa]`. Nothing is fetched from the network while a file is read: a manifest can
name an address, and a stranger's file must not make this service call it.
"""

import hashlib
import importlib.util
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medley.errors import BrokenMedia, MedleyError, Unavailable
from medley.media.xmp import CHANGED, GENERATED

if TYPE_CHECKING:
    from c2pa import Context

SIGNED = frozenset(
    {"image/png", "image/jpeg", "image/webp", "audio/wav", "audio/mpeg", "audio/mp4", "video/mp4"}
)
MAX_INGREDIENTS = 8


class MissingExtra(MedleyError):
    """A part of Medley is not installed here."""

    code: ClassVar[str] = "missing_extra"
    status: ClassVar[int] = 501

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} needs the extra [{extra}]: pip install 'medley-orchestrator[{extra}]'."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the newest manifest of a file says. `state`: trusted | valid | invalid."""

    state: str
    issuer: str | None
    generated_at: str | None  # RFC 3339
    model: str | None
    generated: bool  # it says that a model made the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A file that another one was made from; its own credentials go into the new manifest."""

    path: Path
    media_type: str
    title: str


def installed() -> bool:
    """Whether the extra is here."""
    return importlib.util.find_spec("c2pa") is not None


def require() -> None:
    """Raises `MissingExtra`."""
    if not installed():
        raise MissingExtra("c2pa", "Reading and signing content credentials")


def read_credentials(path: Path, media_type: str) -> Credentials | None:
    """None where the file has no manifest. Raises `MissingExtra`, `BrokenMedia`."""
    require()
    import c2pa

    try:
        with path.open("rb") as file, _context() as context:
            reader = c2pa.Reader.try_create(media_type, file, context=context)
            if reader is None:
                return None
            with reader:
                told = json.loads(reader.json())
                state = str(reader.get_validation_state() or "Invalid").lower()
    except c2pa.C2paError.NotSupported:
        return None
    except c2pa.C2paError as error:
        raise BrokenMedia(f"The content credentials cannot be read: {error}"[:300]) from error
    return _credentials(told, state)


class Signer:
    """Signs with the operator's certificate chain and key (PEM)."""

    def __init__(self, certificate: Path, key: Path, algorithm: str = "es256") -> None:
        """Raises `MissingExtra`; `Unavailable` when the files cannot be read or do not fit."""
        require()
        import c2pa

        try:
            chain, secret = certificate.read_text("ascii"), key.read_text("ascii")
            # An empty address instead of None makes signing fail without a word.
            info = c2pa.C2paSignerInfo(algorithm, chain.encode(), secret.encode(), None)
            self._signer = c2pa.Signer.from_info(info)
        except (OSError, UnicodeDecodeError, ValueError, c2pa.C2paError) as error:
            raise Unavailable(f"The C2PA certificate or key cannot be used: {error}") from error
        self.name = hashlib.sha256(chain.encode()).hexdigest()[:16]  # changes with the certificate
        self._try()

    def _try(self) -> None:
        """Signs a dot now, so that a key that does not fit is found at the start."""
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            dot, signed = Path(folder, "dot.png"), Path(folder, "signed.png")
            drawn = io.BytesIO()
            Image.new("L", (1, 1)).save(drawn, "PNG")
            dot.write_bytes(drawn.getvalue())
            try:
                self.sign(dot, signed, "image/png", version="0", model=None, made_at=None)
            except BrokenMedia as error:
                raise Unavailable(
                    f"The C2PA certificate or key cannot be used: {error.message}"
                ) from error

    def signs(self, media_type: str) -> bool:
        """Whether files of this kind can carry a manifest."""
        return media_type in SIGNED

    def sign(
        self,
        source: Path,
        target: Path,
        media_type: str,
        *,
        version: str,
        model: str | None,
        made_at: datetime | None,
        generated: bool = True,
        ingredients: Sequence[Ingredient] = (),
    ) -> None:
        """Writes the signed file to `target`. `generated`: a model with weights had a part in it.

        Raises `BrokenMedia`.
        """
        import c2pa

        agent = {"name": model or "Medley", "version": version}
        action: dict[str, Any] = {
            "action": "c2pa.created",
            "digitalSourceType": GENERATED if generated else CHANGED,
            "softwareAgent": agent,
        }
        if made_at is not None:
            action["when"] = made_at.astimezone(UTC).isoformat(timespec="seconds")
        manifest = {
            "claim_generator_info": [{"name": "Medley", "version": version}],
            "title": target.name,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
        try:
            with _context() as context, c2pa.Builder(manifest, context) as builder:
                for item in ingredients[:MAX_INGREDIENTS]:
                    about = {"title": item.title, "relationship": "inputTo"}
                    with item.path.open("rb") as given:
                        builder.add_ingredient(about, item.media_type, given)
                with source.open("rb") as file, target.open("w+b") as out:
                    builder.sign(self._signer, media_type, file, out)
        except c2pa.C2paError as error:
            raise BrokenMedia(f"The file cannot be signed: {error}"[:300]) from error


def _context() -> "Context":
    import c2pa

    return c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}})


def _credentials(told: dict[str, Any], state: str) -> Credentials:
    manifest = told.get("manifests", {}).get(told.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    actions = [
        action
        for assertion in manifest.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    ]
    created: dict[str, Any] = next(
        (item for item in actions if item.get("action") == "c2pa.created"), {}
    )
    agent = created.get("softwareAgent")
    return Credentials(
        state=state if state in ("trusted", "valid") else "invalid",
        issuer=_text(signature.get("issuer") or signature.get("common_name")),
        generated_at=_moment(signature.get("time") or created.get("when")),
        model=_text(agent.get("name") if isinstance(agent, dict) else agent),
        generated=any("lgorithmicMedia" in str(item.get("digitalSourceType")) for item in actions),
    )


def _text(value: object) -> str | None:
    return str(value)[:300] if value else None


def _moment(value: object) -> str | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).isoformat() if value else None
    except ValueError:
        return None
