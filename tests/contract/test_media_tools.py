"""Every declared media tool runs on real inputs, gives what it declares, and fails alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generators.media.backend import DECLARED, OPERATIONS, MediaTools
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BadInput, StepStopped
from medley.media.codec import EncodedFile, encode
from medley.media.values import Audio, Embedding, Encoded, Video
from medley.media.video import frames, open_video, sound
from medley.modality import Modality
from tests.media_samples import clip, picture, tone

TYPES = {Modality.IMAGE: Image.Image, Modality.AUDIO: Audio, Modality.VIDEO: Video}


class Reporting:
    """A control that keeps what it hears, and stops after so many reports."""

    def __init__(self, scratch: Path, stop_after: int = 10**9) -> None:
        self.scratch = scratch
        self.heard: list[tuple[float, float]] = []
        self._stop_after = stop_after

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        self.heard.append((done, total))
        if len(self.heard) > self._stop_after:
            raise StepStopped

    def delta(self, text: str) -> None: ...


def vector(*numbers: float, space: str = "test") -> Embedding:
    return Embedding(vector=np.array(numbers, np.float32), space=space)


def cut_out() -> Image.Image:
    """A picture whose left half is transparent."""
    whole = picture(20, 10).convert("RGBA")
    whole.paste((0, 0, 0, 0), (0, 0, 10, 10))
    return whole


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    """One real value for each input port name."""
    film = clip(tmp_path / "in.mp4", seconds=2, audio=tone(2))
    silent = clip(tmp_path / "silent.mp4", seconds=1)
    return {
        "image": picture(),
        "images": [picture(), picture(30, 60, "gold"), picture(50, 50, "navy").convert("RGBA")],
        "text": "A small cat, 一只小猫",
        "audio": tone(1.0),
        "audios": [tone(0.5), tone(0.75, rate=44_100, channels=2)],
        "video": film,
        "videos": [film, silent],
        "embeddings": [vector(1, 0), vector(0, 1)],
    }


def ask(tool: str, values: Mapping[str, Any], **params: Any) -> Request:
    declared = DECLARED[tool]
    inputs = {name: values[name] for name in declared.inputs if name in values}
    if params == {} and tool == "resize":
        params = {"width": 20}
    if tool == "alpha_mask":
        inputs["image"] = cut_out()
    return Request(tool=tool, inputs=inputs, params=declared.params(**params).model_dump())


def run(tmp_path: Path, *requests: Request) -> list[Result]:
    backend = MediaTools()
    backend.load(ModelSpec(id="media", backend="media", tools=backend.tools), "cpu")
    return backend.run(requests, Reporting(tmp_path))


def outputs(tmp_path: Path, request: Request) -> Mapping[str, Any]:
    (result,) = run(tmp_path, request)
    assert result.error is None, result.error
    return result.outputs


def refusal(tmp_path: Path, request: Request) -> str:
    (result,) = run(tmp_path, request)
    assert isinstance(result.error, BadInput), result
    return result.error.message


def encoded(value: Any, modality: Modality) -> EncodedFile:
    return encode(value, modality)


def test_the_backend_keeps_the_protocol_and_serves_every_declared_tool() -> None:
    assert isinstance(MediaTools(), Backend)
    assert set(OPERATIONS) == set(DECLARED) == MediaTools.tools


@pytest.mark.parametrize("tool", sorted(DECLARED))
def test_a_tool_gives_what_it_declares(tmp_path: Path, tool: str, values: dict[str, Any]) -> None:
    given = outputs(tmp_path, ask(tool, values))

    assert set(given) == set(DECLARED[tool].outputs)
    for name, port in DECLARED[tool].outputs.items():
        (modality,) = port.accepts
        items = given[name] if port.many else [given[name]]
        assert items
        for item in items:
            assert encode(item, modality).facts.modality is modality


@pytest.mark.parametrize("tool", sorted(DECLARED))
def test_a_bad_item_fails_alone(tmp_path: Path, tool: str, values: dict[str, Any]) -> None:
    good = ask(tool, values)
    bad = Request(tool=tool, inputs={}, params=good.params)

    results = run(tmp_path, good, bad, good)

    assert [result.error is None for result in results] == [True, False, True]
    assert isinstance(results[1].error, BadInput)


@pytest.mark.parametrize("tool", sorted(DECLARED))
def test_a_value_of_another_type_is_a_bad_input(
    tmp_path: Path, tool: str, values: dict[str, Any]
) -> None:
    good = ask(tool, values)
    wrong = Request(tool=tool, inputs=dict.fromkeys(good.inputs, 7), params=good.params)

    assert refusal(tmp_path, wrong)


@pytest.mark.parametrize("tool", ["slideshow", "trim_video", "concat_video", "mux"])
def test_long_work_reports_and_can_be_stopped(
    tmp_path: Path, tool: str, values: dict[str, Any]
) -> None:
    control = Reporting(tmp_path)
    MediaTools().run([ask(tool, values)], control)
    done = [part / whole for part, whole in control.heard[1:]]

    assert len(done) > 5
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
    with pytest.raises(StepStopped):
        MediaTools().run([ask(tool, values)], Reporting(tmp_path, stop_after=4))


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"width": 30}, (30, 20)),
        ({"height": 80}, (120, 80)),
        ({"width": 7, "height": 9}, (7, 9)),
        ({"scale": 0.5}, (30, 20)),
        ({"scale": 0.001}, (1, 1)),
    ],
)
def test_resizing(
    tmp_path: Path, values: dict[str, Any], params: dict[str, Any], size: tuple[int, int]
) -> None:
    assert outputs(tmp_path, ask("resize", values, **params))["image"].size == size


def test_resizing_to_nothing_or_to_too_much_is_refused(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    nothing = Request(tool="resize", inputs={"image": picture()}, params={})
    values["image"] = picture(6000, 6000)

    assert "how big" in refusal(tmp_path, nothing)
    assert "pixels" in refusal(tmp_path, ask("resize", values, scale=4.0))


def test_cropping_keeps_the_named_part(tmp_path: Path, values: dict[str, Any]) -> None:
    image = outputs(tmp_path, ask("crop", values, right=0.25, bottom=0.25))["image"]

    assert image.size == (15, 10)
    assert image.getpixel((5, 5)) == (255, 0, 0)
    assert "empty" in refusal(tmp_path, ask("crop", values, left=0.6, right=0.5))


def test_turning_is_counter_clockwise(tmp_path: Path, values: dict[str, Any]) -> None:
    quarter = outputs(tmp_path, ask("rotate", values, degrees=90))["image"]
    some = outputs(tmp_path, ask("rotate", values, degrees=30))["image"]

    assert quarter.size == (40, 60)
    assert quarter.getpixel((2, 57)) == (255, 0, 0)
    assert some.mode == "RGBA"
    assert some.getpixel((0, 0))[3] == 0


def test_a_collage_shows_every_picture(tmp_path: Path, values: dict[str, Any]) -> None:
    sheet = outputs(tmp_path, ask("collage", values, columns=3, cell=50, gap=10))["image"]

    assert sheet.size == (190, 70)
    assert sheet.getpixel((95, 35)) == (255, 215, 0)


@pytest.mark.parametrize("words", ["Hello there", "你好 世界", "Ça alors 猫 Ωμέγα", "x" * 60])
def test_a_caption_is_written_in_any_bundled_script(tmp_path: Path, words: str) -> None:
    blank = Image.new("RGB", (300, 200), "teal")
    request = ask("caption", {"image": blank, "text": words})

    image = outputs(tmp_path, request)["image"]

    assert (image.size, image.mode) == (blank.size, "RGB")
    assert image.getpixel((150, 20)) == blank.getpixel((150, 20))
    assert np.asarray(image)[150:].max() > 200  # white letters on the dark band


def test_different_chinese_words_look_different(tmp_path: Path) -> None:
    blank = Image.new("RGB", (300, 200), "teal")
    images = [
        outputs(tmp_path, ask("caption", {"image": blank, "text": word}, place="top"))["image"]
        for word in ("猫", "狗")
    ]

    assert images[0].tobytes() != images[1].tobytes()


def test_a_caption_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    small = picture(64, 64)
    short = outputs(
        tmp_path, ask("caption", {"image": small, "text": "A cat that sits there and smiles"})
    )

    assert short["image"].size == (128, 128)  # enlarged until the letters can be read
    assert "too many" in refusal(tmp_path, ask("caption", {"image": small, "text": "word " * 4000}))
    assert "no words" in refusal(tmp_path, ask("caption", {"image": small, "text": " \n\u200b"}))


@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp"])
def test_converting_a_picture(tmp_path: Path, format_name: str) -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    given = outputs(tmp_path, ask("convert_image", {"image": clear}, format=format_name))["image"]

    assert isinstance(given, Encoded)
    assert encoded(given, Modality.IMAGE).media_type == f"image/{format_name}"


@pytest.mark.parametrize(
    ("format_name", "media_type"),
    [("wav", "audio/wav"), ("flac", "audio/flac"), ("mp3", "audio/mpeg"), ("ogg", "audio/ogg")],
)
@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_converting_a_sound(tmp_path: Path, format_name: str, media_type: str, rate: int) -> None:
    values = {"audio": tone(1.0, rate=rate, channels=2)}
    given = outputs(tmp_path, ask("convert_audio", values, format=format_name))["audio"]

    facts = encoded(given, Modality.AUDIO).facts
    assert facts.media_type == media_type
    assert facts.seconds == pytest.approx(1.0, abs=0.1)


def test_trimming_a_sound(tmp_path: Path, values: dict[str, Any]) -> None:
    given = outputs(tmp_path, ask("trim_audio", values, start=0.25, end=0.75))["audio"]

    assert given.seconds == pytest.approx(0.5)
    assert "over after" in refusal(tmp_path, ask("trim_audio", values, start=5))
    assert "after the start" in refusal(tmp_path, ask("trim_audio", values, start=0.5, end=0.4))


def test_sounds_in_a_row_take_the_sum_of_their_times(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    given = outputs(tmp_path, ask("concat_audio", values))["audio"]

    assert given.seconds == pytest.approx(1.25, abs=0.01)
    assert (given.rate, len(given.samples)) == (44_100, 2)


def test_a_mix_lasts_as_long_as_its_longest_sound_and_does_not_clip(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    given = outputs(tmp_path, ask("mix_audio", values, gains=[4.0, 4.0]))["audio"]

    assert given.seconds == pytest.approx(0.75, abs=0.01)
    assert np.abs(given.samples).max() <= 1.0
    assert "gains for" in refusal(tmp_path, ask("mix_audio", values, gains=[1.0]))


def test_a_spectrogram_shows_a_higher_tone_higher_up(tmp_path: Path) -> None:
    rows = [
        int(np.asarray(outputs(tmp_path, ask("spectrogram", {"audio": tone(1.0, hertz)}))["image"])
            .sum(axis=(1, 2)).argmax())
        for hertz in (300, 3000)
    ]  # fmt: skip

    assert rows[1] < rows[0] - 50


def test_trimming_a_video_cuts_pictures_and_sound(tmp_path: Path, values: dict[str, Any]) -> None:
    given = outputs(tmp_path, ask("trim_video", values, start=0.5, end=1.5))["video"]
    facts = encoded(given, Modality.VIDEO).facts

    assert facts.seconds == pytest.approx(1.0, abs=0.1)
    assert facts.has_audio
    assert next(frames(given)).getpixel((5, 5))[0] == pytest.approx(4 / 15 * 255, abs=12)
    assert "nothing is left" in refusal(tmp_path, ask("trim_video", values, start=60))


def test_videos_in_a_row(tmp_path: Path, values: dict[str, Any]) -> None:
    given = outputs(tmp_path, ask("concat_video", values))["video"]
    facts = encoded(given, Modality.VIDEO).facts

    assert facts.seconds == pytest.approx(3.0, abs=0.1)
    assert facts.frames == 24


def test_frames_come_evenly_and_in_order(tmp_path: Path, values: dict[str, Any]) -> None:
    images = outputs(tmp_path, ask("extract_frames", values, count=4))["images"]
    shades = [image.getpixel((5, 5))[0] for image in images]

    assert len(images) == 4
    assert shades == sorted(shades)
    assert shades[0] < 60 < 180 < shades[-1]


def test_the_sound_of_a_video_is_what_went_in(tmp_path: Path, values: dict[str, Any]) -> None:
    given = outputs(tmp_path, ask("extract_audio", values))["audio"]
    loudest = np.abs(np.fft.rfft(given.samples[0, : given.rate])).argmax()

    assert loudest == pytest.approx(440, abs=3)
    values["video"] = values["videos"][1]
    assert "silent" in refusal(tmp_path, ask("extract_audio", values))


def test_a_slideshow_lasts_as_long_as_its_sound(tmp_path: Path, values: dict[str, Any]) -> None:
    values["audio"] = tone(3.0)
    facts = encoded(outputs(tmp_path, ask("slideshow", values))["video"], Modality.VIDEO).facts

    assert facts.seconds == pytest.approx(3.0, abs=0.15)
    assert (facts.media_type, facts.has_audio) == ("video/mp4", True)


def test_a_silent_slideshow_shows_each_picture_for_its_time(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    del values["audio"]
    given = outputs(tmp_path, ask("slideshow", values, seconds=0.5, fps=10))["video"]

    assert encoded(given, Modality.VIDEO).facts.seconds == pytest.approx(1.5, abs=0.1)
    colours = [
        image.getpixel((image.width // 2, image.height // 2)) for image in frames(given, count=3)
    ]
    assert colours[1][0] > 200 > colours[0][0]  # gold comes second


def test_a_video_gets_another_sound(tmp_path: Path, values: dict[str, Any]) -> None:
    values["audio"] = tone(5.0, hertz=880)
    given = outputs(tmp_path, ask("mux", values))["video"]
    heard = sound(open_video(given.path))

    assert heard is not None
    assert encoded(given, Modality.VIDEO).facts.seconds == pytest.approx(2.0, abs=0.1)
    wave = heard.samples[0, : heard.rate]
    assert np.abs(np.fft.rfft(wave)).argmax() == pytest.approx(880, abs=3)


def test_a_combination_is_a_unit_vector_of_the_weighted_sum(tmp_path: Path) -> None:
    values = {"embeddings": [vector(2, 0), vector(0, 5)]}
    given = outputs(tmp_path, ask("embed_combine", values, weights=[1.0, -1.0]))["embedding"]

    assert given.space == "test"
    np.testing.assert_allclose(given.vector, [0.5**0.5, -(0.5**0.5)], rtol=1e-6)


@pytest.mark.parametrize(
    ("embeddings", "weights", "why"),
    [
        ([vector(1, 0), vector(1, 0, space="other")], [], "different spaces"),
        ([vector(1, 0), vector(1, 0, 0)], [], "lengths"),
        ([vector(1, 0), vector(1, 0)], [1.0, -1.0], "cancel"),
        ([vector(1, 0), vector(0, 1)], [1.0], "weights for"),
        ([vector(float("nan"), 0)], [], "cancel"),
    ],
)
def test_vectors_that_cannot_be_combined(
    tmp_path: Path, embeddings: list[Embedding], weights: list[float], why: str
) -> None:
    request = ask("embed_combine", {"embeddings": embeddings}, weights=weights)

    assert why in refusal(tmp_path, request)


def test_a_mask_is_white_where_the_picture_is_transparent(tmp_path: Path) -> None:
    mask = outputs(tmp_path, Request(tool="alpha_mask", inputs={"image": cut_out()}, params={}))
    assert [mask["image"].getpixel(place) for place in ((2, 5), (15, 5))] == [(255,) * 3, (0,) * 3]
    solid = Request(tool="alpha_mask", inputs={"image": picture()}, params={})
    assert "transparent" in refusal(tmp_path, solid)


@pytest.mark.parametrize(("codec", "rate"), [("opus", 48_000), ("aac", 24_000)])
def test_a_sound_is_written_in_codecs_that_only_callers_ask_for(
    tmp_path: Path, codec: str, rate: int
) -> None:
    request = ask("convert_audio", {"audio": tone(1.5, channels=2)}, codec=codec, rate=24_000)
    file = encoded(outputs(tmp_path, request)["audio"], Modality.AUDIO)
    assert (file.facts.rate, file.facts.channels) == (rate, 1)
    assert file.facts.seconds == pytest.approx(1.5, abs=0.2)


def test_a_smaller_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    sizes = []
    for quality in (5, 95):
        request = ask("convert_image", {"image": noise}, format="jpeg", quality=quality)
        sizes.append(len(outputs(tmp_path, request)["image"].data))
    assert sizes[0] < sizes[1]
