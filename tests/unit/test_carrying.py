"""Notes in files: what a file carries comes back, and its pixels and samples stay as they were."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
import soundfile
from PIL import Image, PngImagePlugin

from medley.backend import ModelSpec
from medley.errors import BrokenMedia, UnsupportedMedia
from medley.media.carrying import CARRIERS, carry, notes_in, room
from medley.media.carrying_pictures import Notes
from medley.media.facts import Limits
from medley.media.probe import probe
from medley.media.sandboxed import in_sandbox
from medley.media.sound import write_sound
from medley.media.values import Audio
from medley.media.xmp import packet
from medley.plan import Plan
from medley.recipe import Recipe, UsedModel
from orchestrator.recipes import used_models

NOTES = json.dumps({"medley": 1, "words": 'a "猫"' * 40})
XMP = packet(generated=True, tool="Medley 1", system="m", words="a 猫")
SAID = Notes(text=NOTES, parameters="a 猫\nSteps: 3", xmp=XMP)
NOISE = Image.effect_noise((40, 30), 50).convert("RGB")
TONE = np.sin(np.arange(16000) / 8) * 0.3
SOUND = Audio(samples=TONE.astype(np.float32)[None], rate=16000)


def _clear() -> Image.Image:
    clear = NOISE.convert("RGBA")
    clear.putalpha(100)
    return clear


def _lying() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _film(path: Path, container: str, video: str | None, sound: str) -> None:
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(video, rate=10) if video else None
        track = out.add_stream(sound, rate=48000)
        if stream is not None:
            stream.width, stream.height, stream.pix_fmt = 40, 30, "yuv420p"
            for _ in range(5):
                out.mux(stream.encode(av.VideoFrame.from_image(NOISE)))
            out.mux(stream.encode())
        silence = np.zeros((1, 48000), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate, frame.pts = 48000, 0
        out.mux(track.encode(frame))
        out.mux(track.encode())


FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a.png": ("image/png", NOISE.save),
    "a.jpg": ("image/jpeg", NOISE.save),
    "lying.jpg": ("image/jpeg", lambda path: NOISE.save(path, exif=_lying())),
    "a.webp": ("image/webp", NOISE.save),
    "clear.webp": ("image/webp", lambda path: _clear().save(path)),
    "exact.webp": ("image/webp", lambda path: _clear().save(path, lossless=True)),
    "lying.webp": ("image/webp", lambda path: NOISE.save(path, exif=_lying())),
    "moving.webp": (
        "image/webp",
        lambda path: NOISE.save(path, save_all=True, append_images=[_clear()]),
    ),
    "a.gif": ("image/gif", NOISE.save),
    "moving.gif": (
        "image/gif",
        lambda path: NOISE.save(
            path, save_all=True, append_images=[_clear()], loop=3, comment="a hand's own"
        ),
    ),
    "a.avif": ("image/avif", NOISE.save),
    "moving.avif": (
        "image/avif",
        lambda path: NOISE.save(path, save_all=True, append_images=[NOISE.rotate(90)]),
    ),
    "a.wav": ("audio/wav", lambda path: soundfile.write(path, TONE, 16000)),
    "float.wav": ("audio/wav", lambda path: soundfile.write(path, TONE, 16000, subtype="FLOAT")),
    "a.flac": ("audio/flac", lambda path: soundfile.write(path, TONE, 16000)),
    "a.mp3": ("audio/mpeg", lambda path: soundfile.write(path, TONE, 16000)),
    "a.aac": ("audio/aac", lambda path: path.write_bytes(write_sound(SOUND, "aac"))),
    "a.ogg": ("audio/ogg", lambda path: soundfile.write(path, TONE, 16000)),
    "a.m4a": ("audio/mp4", lambda path: _film(path, "mp4", None, "aac")),
    "a.mp4": ("video/mp4", lambda path: _film(path, "mp4", "libx264", "aac")),
    "a.webm": ("video/webm", lambda path: _film(path, "webm", "libvpx-vp9", "libopus")),
}


def seen(path: Path) -> object:
    """What a viewer of the picture sees, or a listener hears."""
    try:
        with Image.open(path) as picture:
            picture.load()
            count, loop = getattr(picture, "n_frames", 1), picture.info.get("loop")
            frames = []
            for number in range(count):
                picture.seek(number)
                frames.append((picture.tobytes(), picture.info.get("duration")))
            return frames, picture.mode, picture.getexif().get(0x0112), loop
    except OSError:
        with av.open(str(path)) as file:
            return [frame.to_ndarray().tobytes() for frame in file.decode()]  # type: ignore[union-attr]


def test_every_kind_gives_its_notes_back_and_looks_as_before(tmp_path: Path) -> None:
    assert {media_type for media_type, _ in FILES.values()} == CARRIERS
    for name, (media_type, write) in FILES.items():
        plain, carried = tmp_path / name, tmp_path / f"with-{name}"
        write(plain)
        carry(plain, carried, media_type, SAID)
        assert in_sandbox("notes", carried, Limits())[1].decode() == NOTES, name
        assert seen(plain) == seen(carried), name
        assert probe(plain, Limits()) == probe(carried, Limits()), name
        again = tmp_path / f"again-{name}"
        carry(plain, again, media_type, SAID)
        if media_type.startswith("image"):
            assert again.read_bytes() == carried.read_bytes(), name


def test_a_long_recipe_in_front_of_samples_hides_no_sound(tmp_path: Path) -> None:
    plain, carried = tmp_path / "a.aac", tmp_path / "b.aac"
    plain.write_bytes(write_sound(SOUND, "aac"))
    long = json.dumps({"medley": 1, "words": "w" * 100_000})
    carry(plain, carried, "audio/aac", Notes(text=long))
    assert in_sandbox("notes", carried, Limits())[1].decode() == long
    assert probe(plain, Limits()) == probe(carried, Limits())
    assert carried.read_bytes().endswith(plain.read_bytes())


def test_a_picture_is_known_as_made_and_what_others_said_of_it_stays(tmp_path: Path) -> None:
    theirs = PngImagePlugin.PngInfo()
    theirs.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    for name, (media_type, write) in FILES.items():
        if not media_type.startswith("image") or media_type == "image/gif":
            continue
        plain, carried, own = tmp_path / name, tmp_path / f"with-{name}", tmp_path / f"own-{name}"
        write(plain)
        carry(plain, carried, media_type, SAID)
        assert carried.read_bytes().count(b"trainedAlgorithmicMedia") == 1, name
        if media_type != "image/avif":
            with Image.open(carried) as picture:
                assert picture.info["xmp"].decode() == XMP, name
            NOISE.save(own, xmp=b"<x:xmpmeta/>", pnginfo=theirs)
            carry(own, carried, media_type, SAID)
            with Image.open(carried) as picture:
                assert picture.info["xmp"] == b"<x:xmpmeta/>", name


def test_a_packet_is_xml_whatever_the_words_are() -> None:
    words = 'a "red" <cat> & a\n\x00 \ud800dog 猫'
    found = ElementTree.fromstring(packet(generated=True, tool="M", system="m", words=words))
    (about,) = found.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    space = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert about.get(f"{space}AIPromptInformation") == 'a "red" <cat> & a\n   dog 猫'
    assert str(about.get(f"{space}DigitalSourceType")).endswith("/trainedAlgorithmicMedia")
    changed = packet(generated=False, tool="M", system="m", words=words)
    assert "algorithmicallyEnhanced" in changed
    assert "cat" not in changed


def test_what_cannot_carry_says_so(tmp_path: Path) -> None:
    bmp, torn = tmp_path / "a.bmp", tmp_path / "torn.jpg"
    NOISE.save(bmp)
    with pytest.raises(UnsupportedMedia):
        carry(bmp, tmp_path / "out", "image/bmp", SAID)
    assert notes_in(io.BytesIO(bmp.read_bytes())) == ""
    whole = io.BytesIO()
    NOISE.save(whole, "JPEG")
    torn.write_bytes(whole.getvalue()[:30])
    with pytest.raises(BrokenMedia):
        carry(torn, tmp_path / "out", "image/jpeg", SAID)
    with pytest.raises(UnsupportedMedia):
        notes_in(io.BytesIO(b"nothing that is known"))
    assert room("image/bmp") == room("audio/pcm") == 0


def recipe(**more: object) -> Recipe:
    base = {
        "version": "1",
        "job": "job_1",
        "step": "s1",
        "output": "s1.image",
        "sha256": "0" * 64,
        "media_type": "image/png",
        "tool": "text_to_image",
    }
    return Recipe.model_validate(base | more)


def test_a_recipe_without_room_leaves_out_what_it_can() -> None:
    steps = [{"id": f"s{n}", "tool": "x", "inputs": {"text": "w" * 500}} for n in range(40)]
    long = recipe(words="w" * 60_000, plan=Plan.model_validate({"steps": steps}))
    for space in (200_000, 30_000, 3_000, 500):
        text = long.to_text(space)
        kept = Recipe.model_validate(json.loads(text))
        assert len(text) <= space
        assert text.isascii()
        assert kept.cut is (space < 200_000)
        assert kept.job == "job_1"


def test_the_line_of_parameters_is_the_one_that_others_read() -> None:
    found = recipe(
        words="a cat\non a mat",
        seed=7,
        model="m",
        params={"steps": 30, "guidance": 2.0, "negative_prompt": "dogs"},
        models={"m": UsedModel(revision="abcdef0123456789")},
        width=64,
        height=32,
    )
    assert found.parameters() == (
        "a cat on a mat\nNegative prompt: dogs\nSteps: 30, CFG scale: 2.0, Seed: 7, Size: 64x32, "
        "Model: m, Model hash: abcdef012345, Version: Medley 1"
    )


def test_a_folder_of_this_machine_stands_in_no_recipe() -> None:
    def model(name: str, source: str) -> ModelSpec:
        return ModelSpec(id=name, backend="b", tools=frozenset(), source=source, revision="r1")

    found = used_models(
        ["here", "hub", "plain", "gone"],
        {
            "here": model("here", "/srv/secret/weights"),
            "hub": model("hub", "org/weights"),
            "plain": model("plain", ""),
        },
    )
    assert {name: used.source for name, used in found.items()} == {
        "here": "local", "hub": "org/weights", "plain": "", "gone": "",
    }  # fmt: skip
    assert recipe(models=found).generated
