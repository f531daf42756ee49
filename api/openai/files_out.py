"""What a job made, as base64 inside an answer: pictures and sounds in the format asked for, with
their recipe.
"""

import base64
import io
from collections.abc import Callable
from functools import partial
from typing import Any

from api.carried import Turned
from api.state import Service
from medley.media.codec import decode
from medley.media.sound import mono, resample, write_sound
from medley.media.values import Audio
from medley.modality import Modality
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset

IMAGE_FORMATS = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
AUDIO_FORMATS = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "pcm16": "audio/pcm",
}
PCM_RATE = 24_000  #: samples a second of `pcm16`, which has no header to say it


def reader(here: Service, tenant: str) -> Callable[[str, str], str]:
    """Reads assets of a tenant; each is read once."""
    known: dict[tuple[str, str], str] = {}

    def read(asset: str, wanted: str) -> str:
        if (asset, wanted) not in known:
            known[asset, wanted] = base64.b64encode(_bytes(here, tenant, asset, wanted)).decode()
        return known[asset, wanted]

    return read


def _bytes(here: Service, tenant: str, name: str, wanted: str) -> bytes:
    with here.db.connect() as conn:
        asset = asset_rows.get(conn, tenant, name)
    kind = {**IMAGE_FORMATS, **AUDIO_FORMATS}[wanted]
    if asset.media_type == kind:
        return here.carrier.bytes_of(tenant, asset)
    write = _picture if asset.modality is Modality.IMAGE else _sound
    return here.carrier.bytes_of(tenant, asset, Turned(kind, partial(write, here, asset, wanted)))


def _sound(here: Service, asset: Asset, wanted: str) -> bytes:
    sound = decode(here.store.path(asset.sha256), Modality.AUDIO, asset.media_type)
    assert isinstance(sound, Audio)
    if wanted != "pcm16":
        return write_sound(sound, wanted)
    samples = mono(resample(sound, PCM_RATE)).samples[0].clip(-1, 1)
    return bytes((samples * 32767).astype("<i2").tobytes())


def _picture(here: Service, asset: Asset, wanted: str) -> bytes:
    found: Any = decode(here.store.path(asset.sha256), Modality.IMAGE, asset.media_type)
    buffer = io.BytesIO()
    (found.convert("RGB") if wanted == "jpeg" else found).save(buffer, wanted.upper())
    return buffer.getvalue()
