"""OpenAI's SDK, unchanged, against the service: pictures, sounds, embeddings, films, and that each
call is a job. The worker's hands are the test's own.
"""

import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from api.main import create_app
from medley.errors import BadInput
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator import engine
from orchestrator.database import create_engine, transaction
from orchestrator.engine import Lease, Offer
from orchestrator.events import Announcer
from tests.flow.api_world import Hands, png, served, wav

OWN = """
[[model]]
id = "own/ear"
backend = "transcribe"
tools = ["transcribe"]
source = "/nowhere"
extras = ["transcribe.prompt", "transcribe.temperature", "transcribe.words"]
[[model]]
id = "own/plain-ear"
backend = "transcribe"
tools = ["transcribe"]
source = "/nowhere"
rank = 1
[[model]]
id = "own/painter"
backend = "diffusers"
tools = ["edit_image", "inpaint"]
source = "/nowhere"
extras = ["edit_image.references", "edit_image.negative_prompt"]
[model.ranges]
"edit_image.width" = [64, 512]
"edit_image.height" = [64, 512]
[[model]]
id = "own/camera"
backend = "diffusers"
tools = ["text_to_video", "image_to_video"]
source = "/nowhere"
[model.defaults]
"text_to_video.fps" = 8.0
"""
TOOLS = [f"{tool.name}@{tool.version}" for tool in toolbox(test_tools=True).values()]
LANES = ["cpu", "encode", "generate", "hub"]
Work = Callable[[Lease], dict[str, Any]]


@dataclass
class Worker(Hands):
    """Hands that take whatever is there and give what the test says, until it ends."""

    announcer: Announcer = field(default_factory=lambda: Announcer(None))

    def take_any(self) -> Lease | None:
        with transaction(self.db) as conn:
            offer = Offer(lanes=LANES, tools=TOOLS, ttl=60)
            leases = engine.claim(conn, self.name, offer)
        return leases[0] if leases else None

    @contextmanager
    def working(self, work: Work) -> Iterator[list[Lease]]:
        """Runs every step through `work` in a thread; what it raises fails the step."""
        seen: list[Lease] = []
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                lease = self.take_any()
                if lease is None:
                    time.sleep(0.02)
                    continue
                seen.append(lease)
                try:
                    self.finish(lease, outputs=work(lease))
                except BadInput as error:
                    self.fail(lease, error)
                self.announcer.stored([lease.job])

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join(30)


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.toml").write_text(OWN)
    return settings.model_copy(update={"model_folder": tmp_path / "own"})


@pytest.fixture
def url(here: Settings) -> Iterator[str]:
    with served(create_app(here)) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=120) as opened:
        yield opened


@pytest.fixture
def web(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=120) as opened:
        yield opened


@pytest.fixture
def worker(here: Settings) -> Iterator[Worker]:
    db = create_engine(str(here.database_url), pool_size=2)
    yield Worker(db, announcer=Announcer(here.redis_url))
    db.dispose()


def asset_part(web: httpx2.Client, data: bytes, modality: str, media_type: str) -> dict[str, Any]:
    asset = web.post("/v1/assets", files={"file": ("made", data)}).json()["id"]
    return {"type": "asset", "asset": asset, "modality": modality, "media_type": media_type}


def drawer(web: httpx2.Client) -> Work:
    """Gives the same picture under whatever a picture tool gives."""
    part = asset_part(web, png("teal", (64, 64)), "image", "image/png")
    return lambda lease: {"image": part}


def refused(call: Callable[[], Any]) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as found:
        call()
    assert "invalid_request_error" in str(found.value.body)
    return found.value


def job_of(web: httpx2.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = web.get(f"/v1/jobs/{name}").json()
    return found


def tools_of(job: dict[str, Any]) -> list[str]:
    return [step["tool"] for step in job["plan"]["steps"]]


def test_a_picture_is_a_job_with_a_plan(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)):
        raw = client.images.with_raw_response.generate(
            model="gpt-image-1", prompt="a cat", size="1024x1024", quality="high"
        )
    found = raw.parse()
    with Image.open(io.BytesIO(base64.b64decode(found.data[0].b64_json))) as picture:
        assert picture.size == (64, 64)
    job = job_of(web, raw.headers["medley-job-id"])
    assert (job["status"], tools_of(job), job["input"][0]["text"]) == (
        "succeeded",
        ["text_to_image"],
        "a cat",
    )
    params = job["plan"]["steps"][0]["params"]
    assert (params["width"], params["height"], params["steps"]) == (1024, 1024, 45)


def test_each_of_n_pictures_has_its_own_seed_and_file(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)) as seen:
        found = client.images.generate(
            prompt="a cat",
            n=3,
            response_format="url",
            output_format="jpeg",
            output_compression=40,
            extra_body={"seed": 7, "num_inference_steps": 4, "guidance_scale": 3},
        )
    assert sorted(lease.seed for lease in seen if lease.tool == "text_to_image") == [7, 8, 9]
    files = [lease.params for lease in seen if lease.tool == "convert_image"]
    assert files == [{"format": "jpeg", "quality": 40}] * 3
    assert all(httpx2.get(item.url).status_code == 200 for item in found.data)


UNFIT_PICTURES: list[tuple[dict[str, Any], str]] = [
    ({"size": "12"}, "size"),
    ({"size": "9999x16"}, "size"),
    ({"background": "transparent"}, "background"),
    ({"output_format": "gif"}, "output_format"),
    ({"n": 11}, "n"),
    ({"extra_body": {"lora": "x"}}, "lora"),
    ({"extra_body": {"guidance_scale": 50}}, "guidance_scale"),
    ({"extra_body": {"frame_count": 3}}, "frame_count"),
]


def test_what_cannot_be_honoured_is_refused_by_name(client: openai.OpenAI) -> None:
    for given, param in UNFIT_PICTURES:
        error = refused(lambda given=given: client.images.generate(prompt="a cat", **given))
        assert (error.status_code, error.param) == (400, param)


def test_what_is_only_accepted_changes_nothing(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)):
        only: Any = {"moderation": "low", "style": "vivid", "user": "me", "size": "auto"}
        plain, said = (
            client.images.with_raw_response.generate(prompt="a cat", extra_body={"seed": 3}, **more)
            for more in ({}, only)
        )
    params = [
        [step["params"] for step in job_of(web, raw.headers["medley-job-id"])["plan"]["steps"]]
        for raw in (plain, said)
    ]
    assert params[0] == params[1]


def test_a_model_that_does_not_draw_is_not_found(client: openai.OpenAI) -> None:
    for name in ("starter/hub", "tts-1", "nobody/nothing"):
        error = refused(lambda name=name: client.images.generate(prompt="a cat", model=name))
        assert (error.status_code, error.code, error.param) == (404, "model_not_found", "model")


def test_a_stream_ends_with_the_whole_picture(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)):
        events = list(client.images.generate(prompt="a cat", n=2, stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert base64.b64decode(events[0].b64_json).startswith(b"\x89PNG")


def test_previews_become_partial_pictures(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker, here: Settings
) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(jpeg, "JPEG")
    announcer = Announcer(here.redis_url)
    part = drawer(web)
    seen = threading.Event()

    def work(lease: Lease) -> dict[str, Any]:
        while not seen.wait(0.05):  # until the stream listens
            announcer.preview(lease.job, lease.step, jpeg.getvalue(), "image/jpeg")
        return part(lease)

    kinds = []
    with worker.working(work):
        stream = client.images.generate(prompt="a cat", stream=True, partial_images=1)
        for event in stream:
            kinds.append(event.type.rpartition(".")[2])
            seen.set()
    assert kinds == ["partial_image", "completed"]


def test_a_failed_drawing_says_why_and_is_not_repeated(
    client: openai.OpenAI, worker: Worker
) -> None:
    def work(lease: Lease) -> dict[str, Any]:
        raise BadInput("This cannot be drawn.")

    with worker.working(work):
        error = refused(lambda: client.images.generate(prompt="a cat"))
        events = client.images.generate(prompt="a cat", stream=True)
        with pytest.raises(openai.APIError, match="cannot be drawn"):
            list(events)
    assert (error.status_code, error.code) == (400, "bad_input")
    assert error.response.headers["x-should-retry"] == "false"


def test_who_hangs_up_cancels_the_job(web: httpx2.Client) -> None:
    with pytest.raises(httpx2.TimeoutException):
        web.post("/v1/images/generations", json={"prompt": "a cat"}, timeout=1.0)
    with web.stream("POST", "/v1/images/generations", json={"prompt": "a", "stream": True}) as left:
        assert left.status_code == 200
    for job in web.get("/v1/jobs").json()["data"]:
        wait_for(lambda job=job: job_of(web, job["id"])["status"] == "canceled")


def test_a_repeated_request_finds_the_job_of_the_first(
    web: httpx2.Client, client: openai.OpenAI, worker: Worker
) -> None:
    body = {"prompt": "a cat", "n": 1}
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(web.post, "/v1/images/generations", json=body)
        wait_for(lambda: web.get("/v1/jobs").json()["data"])
        again = pool.submit(
            web.post,
            "/v1/images/generations",
            json=body,
            headers={"x-stainless-retry-count": "1"},
        )
        keyed = pool.submit(
            web.post, "/v1/images/generations", json=body, headers={"idempotency-key": "k"}
        )
        with worker.working(drawer(web)):
            ids = [reply.result().headers["medley-job-id"] for reply in (first, again, keyed)]
    assert ids[0] == ids[1] != ids[2]
    headers = {"idempotency-key": "k"}
    assert web.post("/v1/images/generations", json=body, headers=headers).json()["job"] == ids[2]
    other = web.post("/v1/images/generations", json={"prompt": "b"}, headers=headers)
    assert other.json()["error"]["code"] == "idempotency_key_reuse"


def test_a_call_that_takes_too_long_says_where_its_job_is(
    web: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.openai.calls.PATIENCE_S", 0.2)
    reply = web.post("/v1/images/generations", json={"prompt": "a cat"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "still_running")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["medley-job-id"] in reply.json()["error"]["message"]
    assert job_of(web, reply.headers["medley-job-id"])["status"] == "queued"


def test_a_picture_is_edited_all_of_it_or_where_the_mask_is_transparent(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)) as seen:
        client.images.edit(image=png(), prompt="a hat", size="1024x512", input_fidelity="high")
        client.images.edit(image=[png()], mask=png("blue"), prompt="a hat", n=1)
    edit, scaled = [lease for lease in seen if lease.tool in ("edit_image", "resize")]
    assert (edit.params["width"], edit.params["height"]) == (512, 256)
    assert (edit.params["strength"], scaled.params) == (0.5, {"width": 1024, "height": 512})
    assert [lease.tool for lease in seen][-2:] == ["alpha_mask", "inpaint"]


def test_further_pictures_and_a_negative_prompt_reach_the_model(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    with worker.working(drawer(web)) as seen:
        client.images.edit(
            image=[png(), png("blue"), png("green")],
            prompt="both",
            extra_body={"negative_prompt": "dogs"},
        )
        client.images.generate(prompt="a cat", extra_body={"negative_prompt": "dogs"})
    edit, drawn = seen
    names = [edit.inputs["image"]["asset"], *(item["asset"] for item in edit.inputs["references"])]
    assert len(set(names)) == len(names) == 3
    assert edit.params["negative_prompt"] == drawn.params["negative_prompt"] == "dogs"


def test_an_edit_needs_a_picture_and_with_a_mask_just_one(
    client: openai.OpenAI, web: httpx2.Client
) -> None:
    two = refused(
        lambda: client.images.edit(image=[png(), png("blue")], mask=png(), prompt="a hat")
    )
    sound = refused(lambda: client.images.edit(image=wav(), prompt="a hat"))
    broken = refused(lambda: client.images.edit(image=b"GIF89a nothing", prompt="a hat"))
    assert [error.param for error in (two, sound, broken)] == ["image"] * 3
    none = web.post("/v1/images/edits", files={"prompt": (None, "a hat")})
    assert (none.status_code, none.json()["error"]["param"]) == (400, "image")


SPOKEN: list[tuple[Any, str, dict[str, Any] | None]] = [
    ("wav", "audio/wav", None),
    ("mp3", "audio/mpeg", {"format": "mp3"}),
    ("opus", "audio/ogg", {"codec": "opus"}),
    ("pcm", "audio/pcm", {"format": "wav", "rate": 24_000}),
]


def test_words_are_said_in_the_format_that_is_asked(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    part = asset_part(web, wav(), "audio", "audio/wav")
    for form, kind, converted in SPOKEN:
        with worker.working(lambda lease: {"audio": part}) as seen:
            sound = client.audio.speech.create(
                model="tts-1", voice="alloy", input="Hello", response_format=form, speed=1.5
            )
        assert sound.response.headers["content-type"] == kind
        assert sound.content == (wav()[44:] if form == "pcm" else wav())
        assert seen[0].params == {"speed": 1.5}
        assert [lease.params for lease in seen[1:]] == ([converted] if converted else [])


def test_a_voice_is_that_of_the_synthesizer_unless_it_is_one_of_openais(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker, tmp_path: Path
) -> None:
    part = asset_part(web, wav(), "audio", "audio/wav")
    with (
        worker.working(lambda lease: {"audio": part}) as seen,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="f2", input="Hello", response_format="wav"
        ) as sound,
    ):
        sound.stream_to_file(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == wav()
    assert seen[0].params["voice"] == "f2"
    words: dict[str, Any] = {"model": "tts-1", "voice": "nova", "input": "Hello"}
    for more, param in (
        ({"instructions": "Whisper."}, "instructions"),
        ({"speed": 3.0}, "speed"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"input": "x" * 5000}, "input"),
    ):
        error = refused(lambda more=more: client.audio.speech.create(**{**words, **more}))
        assert (error.status_code, error.param) == (400, param)


SEGMENTS = [
    {"start": 0.0, "end": 1.5, "text": "Hello there."},
    {"start": 61.25, "end": 3661.0, "text": "Good --> bye."},
]
WORDS = [{"start": 0.0, "end": 0.7, "word": "Hello"}, {"start": 0.7, "end": 1.5, "word": "there."}]


def heard(lease: Lease) -> dict[str, Any]:
    return {
        "text": {"type": "text", "text": "Hello there. Good bye."},
        "segments": {"type": "data", "data": SEGMENTS},
        **({"words": {"type": "data", "data": WORDS}} if lease.params.get("words") else {}),
    }


def test_a_recording_is_written_down_in_every_form(client: openai.OpenAI, worker: Worker) -> None:
    def said(**more: Any) -> Any:
        file = ("a.wav", wav())
        return client.audio.transcriptions.create(model="whisper-1", file=file, **more)

    with worker.working(heard) as seen:
        assert said(language="en", temperature=0).text == "Hello there. Good bye."
        assert said(response_format="text") == "Hello there. Good bye.\n"
        srt, vtt = said(response_format="srt"), said(response_format="vtt")
        whole = said(response_format="verbose_json", timestamp_granularities=["segment"])
        english = client.audio.translations.create(model="whisper-1", file=("a.wav", wav()))
        events = list(said(stream=True))
    assert srt.startswith("1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:01:01,250")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n00:01:01.250")
    assert srt.count("-->") == vtt.count("-->") == 2
    assert (whole.task, whole.segments[1].start) == ("transcribe", 61.25)
    assert english.text == "Hello there. Good bye."
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert [lease.params for lease in seen if "language" in lease.params] == [{"language": "en"}]
    assert any(lease.params.get("translate") for lease in seen)


def test_words_have_times_and_a_prompt_and_a_temperature_reach_the_model(
    client: openai.OpenAI, worker: Worker
) -> None:
    file = ("a.wav", wav())
    more: Any = {"response_format": "verbose_json", "prompt": "Medley", "temperature": 0.4}
    with worker.working(heard) as seen:
        words, both = (
            client.audio.transcriptions.create(
                model="whisper-1", file=file, timestamp_granularities=fine, **more
            )
            for fine in (["word"], ["word", "segment"])
        )
        client.audio.translations.create(
            model="whisper-1", file=file, prompt="Medley", temperature=0.4
        )
    assert [(item.word, item.start, item.end) for item in words.words] == [
        ("Hello", 0.0, 0.7),
        ("there.", 0.7, 1.5),
    ]
    assert words.segments is None
    assert len(both.words) == len(both.segments) == 2
    asked = {"prompt": "Medley", "temperature": 0.4}
    assert seen[0].params == {**asked, "words": True, "times": True}
    assert seen[-1].params == {**asked, "translate": True}


def test_what_a_model_does_not_take_is_refused_by_the_name_that_the_caller_used(
    client: openai.OpenAI,
) -> None:
    words: Any = {"timestamp_granularities": ["word"], "response_format": "verbose_json"}
    for more, param in (
        (words, "timestamp_granularities"),
        ({"temperature": 0.5}, "temperature"),
        ({"prompt": "Medley"}, "prompt"),
    ):
        asked: dict[str, Any] = {"model": "own/plain-ear", "file": ("a.wav", wav()), **more}
        error = refused(lambda asked=asked: client.audio.transcriptions.create(**asked))
        assert (error.status_code, error.param) == (400, param)
        assert "own/ear" in error.message
    masked = refused(
        lambda: client.images.edit(
            image=png(), mask=png("blue"), prompt="a hat", extra_body={"negative_prompt": "dogs"}
        )
    )
    assert (masked.status_code, masked.param) == (400, "negative_prompt")


def test_what_no_recogniser_does_is_refused(client: openai.OpenAI) -> None:
    for more, param in (
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"temperature": 1.5}, "temperature"),
        ({"response_format": "srt", "stream": True}, "response_format"),
        ({"file": ("a.png", png())}, "file"),
    ):
        asked: dict[str, Any] = {"model": "whisper-1", "file": ("a.wav", wav()), **more}
        error = refused(lambda asked=asked: client.audio.transcriptions.create(**asked))
        assert (error.status_code, error.param) == (400, param)


def vectors(lease: Lease) -> dict[str, Any]:
    found = [[0.6, 0.8, 0.0] for _ in lease.inputs["media"]]
    return {"vectors": {"type": "data", "data": found}}


def test_embeddings_come_as_base64_or_as_numbers(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker
) -> None:
    picture = "data:image/png;base64," + base64.b64encode(png()).decode()
    with worker.working(vectors) as seen:
        many = client.embeddings.create(model="text-embedding-3-small", input=["a"] * 300)
        one = client.embeddings.create(
            model="starter/encoder", input="a", encoding_format="float", dimensions=1
        )
        parts: Any = [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": "a"},
        ]
        mixed = client.embeddings.create(model="medley", input=parts)
        seeing = client.embeddings.create(
            model="medley", input=picture, extra_body={"modality": "image"}
        )
        spoken = web.post("/v1/embeddings", json={"messages": [{"role": "user", "content": parts}]})
    assert [len(lease.inputs["media"]) for lease in seen][:2] == [256, 44]
    assert (len(many.data), many.data[299].index) == (300, 299)
    assert many.data[0].embedding == pytest.approx([0.6, 0.8, 0.0])
    assert one.data[0].embedding == [1.0]
    assert (len(mixed.data), len(seeing.data), len(spoken.json()["data"])) == (2, 1, 1)


UNFIT_INPUTS: list[tuple[dict[str, Any], str]] = [
    ({"input": [1, 2]}, "input"),
    ({"input": [[1, 2]]}, "input"),
    ({"input": ["a", " "]}, "input.1"),
    ({"input": []}, "input"),
    ({"input": "a", "dimensions": 0}, "dimensions"),
    ({"input": "http://a/b.png", "extra_body": {"modality": "image"}}, "input"),
    ({"input": "AAAA", "extra_body": {"modality": "image"}}, "input"),
]


def test_what_cannot_be_embedded_is_refused_by_name(client: openai.OpenAI) -> None:
    for given, param in UNFIT_INPUTS:
        error = refused(lambda given=given: client.embeddings.create(model="medley", **given))
        assert (error.status_code, error.param) == (400, param)


def test_a_film_is_a_view_of_its_job(
    client: openai.OpenAI, web: httpx2.Client, worker: Worker, tmp_path: Path
) -> None:
    from tests.media_samples import clip

    film = clip(tmp_path / "a.mp4", seconds=1)
    part = asset_part(web, film.path.read_bytes(), "video", "video/mp4")
    with worker.working(lambda lease: {"video": part}) as seen:
        made = client.videos.create_and_poll(
            prompt="a cat", model="sora-2", seconds="4", size="1280x720", poll_interval_ms=100
        )
        from_picture = client.videos.create_and_poll(
            prompt="a cat", input_reference=png(), poll_interval_ms=100
        )
    assert (made.status, made.seconds, made.size) == ("completed", "4", "1280x720")
    assert (seen[0].params["frames"], seen[0].params["fps"]) == (33, 8.0)
    assert seen[1].tool == "image_to_video"
    assert client.videos.download_content(made.id).content == film.path.read_bytes()
    small = client.videos.download_content(made.id, variant="thumbnail")
    assert small.response.headers["content-type"] == "image/webp"
    assert [item.id for item in client.videos.list()] == [from_picture.id, made.id]
    assert job_of(web, made.id.replace("video_", "job_"))["status"] == "succeeded"
    assert client.videos.delete(made.id).deleted
    assert refused(lambda: client.videos.retrieve(made.id)).status_code == 404


def test_hard_coded_models_are_there(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert isinstance(listed["starter/generator"].created, int)
    assert "gpt-image-1" in listed["starter/generator"].aliases  # type: ignore[attr-defined]
    for name, behind in (
        ("gpt-image-1", "starter/generator"),
        ("whisper-1", "own/ear"),
        ("text-embedding-3-small", "starter/encoder"),
        ("medley", "starter/hub"),
    ):
        found = client.models.retrieve(name)
        assert (found.id, found.root) == (name, behind)  # type: ignore[attr-defined]
    assert refused(lambda: client.models.retrieve("gpt-nothing")).status_code == 404


def test_what_is_not_offered_says_so(client: openai.OpenAI, web: httpx2.Client) -> None:
    error = refused(lambda: client.moderations.create(input="x"))
    assert (error.status_code, error.code) == (404, "unsupported_endpoint")
    for path in ("/v1/assistants", "/v1/fine_tuning/jobs", "/v1/threads/a/messages"):
        assert web.get(path).json()["error"]["code"] == "unsupported_endpoint"
    for path in (
        *("/v1/images/variations", "/v1/completions", "/v1/responses/compact"),
        *("/v1/vector_stores/vs_a/file_batches", "/v1/vector_stores/vs_a/files/asset_b"),
    ):
        assert web.post(path, json={}).json()["error"]["code"] == "unsupported_endpoint"
    assert refused(client.chat.completions.list).code == "unsupported_endpoint"
    assert web.get("/v1/vector_stores/vs_assets/files/asset_b").json()["code"] == "not_found"


NULLS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": "a", "encoding_format": None, "modality": None}),
    ("/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "a", "speed": None,
                          "instructions": None, "response_format": None}),
    ("/v1/images/generations", {"prompt": "a", "n": None, "negative_prompt": None}),
    ("/v1/chat/completions", {"model": None, "messages": [{"role": "user", "content": "a"}],
                              "functions": None, "prediction": None}),
    ("/v1/responses", {"model": None, "input": "a", "prompt": None, "background": True}),
    ("/v1/vector_stores", {"name": None, "file_ids": None, "expires_after": None}),
]  # fmt: skip


def test_a_null_is_as_good_as_nothing(web: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.openai.calls.PATIENCE_S", 0.1)
    monkeypatch.setattr("api.openai.telling.PATIENCE_S", 0.1)
    for path, body in NULLS:
        reply = web.post(path, json=body)
        assert reply.status_code in (200, 504), f"{path}: {reply.text}"


def test_what_is_wrong_is_said_once_and_in_plain_words(web: httpx2.Client) -> None:
    def said(path: str, **body: Any) -> Any:
        return web.post(path, **body).json()["error"]["message"]

    picture = {"prompt": "a cat", "size": "wide"}
    assert said("/v1/images/generations", json=picture).startswith("/size: Say `auto`")
    assert "1 to 2048 inputs, not 0" in said("/v1/embeddings", json={"input": []})
    assert said("/v1/embeddings", data={"input": "a"}) == "Send application/json."
    system: dict[str, Any] = {"messages": [{"role": "system", "content": "Be brief."}]}
    assert said("/v1/chat/completions", json=system).startswith("messages: The last message")
    file = {"type": "input_file", "file_url": "http://127.0.0.1/a.png"}
    body = {"input": [{"role": "user", "content": [file]}]}
    assert said("/v1/responses", json=body).count("file_url") == 1


def test_other_clients_forms_are_read(web: httpx2.Client, worker: Worker) -> None:
    """As @ai-sdk and Nextcloud send them."""
    with worker.working(drawer(web)):
        sdk = web.post(
            "/v1/images/generations",
            json={"model": "gpt-image-1", "prompt": "a cat", "n": 1, "response_format": "b64_json"},
            headers={"user-agent": "ai/5.0 ai-sdk/openai"},
        )
        cloud = web.post(
            "/v1/images/generations",
            json={"prompt": "a cat", "response_format": "url", "size": "256x256", "user": "admin"},
        )
    assert sdk.json()["data"][0]["b64_json"]
    assert httpx2.URL(cloud.json()["data"][0]["url"]).netloc == web.base_url.netloc


def wait_for(done: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
