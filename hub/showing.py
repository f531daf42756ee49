"""What a multimodal hub is shown: pictures, frames and sounds between the words of its messages,
straight from pixels and samples.

A hub whose processor has no way for videos sees one as pictures in order; one that hears gets its
sound, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hub.chat import describe_text
from hub.decoding import FreeGuide
from hub.items import DESCRIBE_TOKENS, Item, least
from hub.reading import Reading, Senses, asked
from medley.backend import Request
from medley.errors import BadInput, MedleyError
from medley.media.values import Audio, Embedding, Video


def look_item(reading: Reading, request: Request) -> Item:
    """A picture, a sound or a video to put into words. Raises `BadInput`, `BrokenMedia`."""
    senses = _senses(reading)
    language = str(request.params.get("language", "auto"))
    question = describe_text("", asked(str(request.params.get("question", "")), language), language)
    media = request.inputs.get("media")
    ids, shown = chat_shown(reading, [("user", [media, question.strip()])])
    limit = least(DESCRIBE_TOKENS, request.params.get("max_tokens"))
    banned = [*reading.tokenizer.all_special_ids, *placeholders(senses.processor)]
    return Item(
        before=ids,
        after=[],
        shown=shown,
        limit=limit,
        guide=lambda: FreeGuide(reading.guided, reading.ends, limit, banned),
        finish=lambda done: {"text": done.text.strip()},
        reading=str,
    )


def chat_shown(
    reading: Reading, said: Iterable[tuple[str, Sequence[Any]]], *, folds: bool = False
) -> tuple[list[int], dict[str, Any]]:
    """Token ids of messages of words and media, and all that the model reads beside them. `folds`:
    a system message begins the next one. Raises `BadInput`, `BrokenMedia`.
    """
    try:
        messages, options = _messages(reading, said, folds=folds)
        return _processed(_senses(reading), messages, options, reading)
    except MedleyError:
        raise
    except Exception as error:
        raise BadInput(f"This hub's processor cannot read it: {error}") from error


def _senses(reading: Reading) -> Senses:
    if reading.senses is None:
        raise BadInput("This hub neither sees nor hears.")
    return reading.senses


def _messages(
    reading: Reading, said: Iterable[tuple[str, Sequence[Any]]], *, folds: bool
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Messages of parts, and how the processor is to take them."""
    messages: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    for role, content in said:
        parts: list[dict[str, Any]] = []
        for piece in content:
            if isinstance(piece, str):
                parts.append({"type": "text", "text": reading.safe(piece)})
                continue
            more, about = _parts(_senses(reading), piece)
            parts += more
            films = [*options.get("video_metadata", []), *about.get("video_metadata", [])]
            options |= {**about, "video_metadata": films} if films else about
        if folds and len(messages) == 1 and messages[0]["role"] == "system":
            parts = [*messages.pop()["content"], *parts]
        messages.append({"role": role, "content": parts})
    return messages, options


def _processed(
    senses: Senses, messages: list[dict[str, Any]], options: dict[str, Any], reading: Reading
) -> tuple[list[int], dict[str, Any]]:
    template = reading.template.source or _plain(senses.processor)
    encoded = senses.processor.apply_chat_template(
        messages,
        chat_template=template,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs=options,
        **reading.template.options,
    )
    shown = dict(encoded)
    ids = shown.pop("input_ids")[0].tolist()
    shown.pop("attention_mask", None)  # of one row, nothing is padding
    return ids, shown


def _parts(senses: Senses, media: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The message's parts, and how the processor is to take them."""
    from PIL import Image

    if isinstance(media, Image.Image):
        return [{"type": "image", "image": _picture(media, senses.side)}], {}
    if isinstance(media, Audio):
        return [_sound(media, senses)], {}
    if isinstance(media, Video):
        return _film(media, senses)
    if isinstance(media, Embedding):
        raise BadInput("This hub reads pictures, sounds and videos, not embeddings.")
    raise BadInput(f"This hub cannot read a {type(media).__name__}.")


def _picture(picture: Any, side: int) -> Any:
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    return small


def _sound(sound: Audio, senses: Senses) -> dict[str, Any]:
    from medley.media.sound import mono, resample

    if not senses.rate:
        raise BadInput("This hub cannot hear.")
    if not sound.samples.size:
        raise BadInput("The sound is empty.")
    return {"type": "audio", "audio": mono(resample(sound, senses.rate)).samples[0]}


def _film(film: Video, senses: Senses) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    import numpy as np

    from medley.media.video import frames, sound

    pictures = [_picture(one, senses.side // 2) for one in frames(film, count=senses.frames)]
    heard = sound(film) if senses.rate and film.has_audio else None
    also = [_sound(heard, senses)] if heard is not None else []
    if not senses.sees_videos:
        return [*({"type": "image", "image": one} for one in pictures), *also], {}
    number = max(len(pictures), round(film.seconds * film.fps))
    step = number / len(pictures)
    about = {
        "total_num_frames": number,
        "fps": film.fps,
        "duration": film.seconds,
        "frames_indices": [int(step * (place + 0.5)) for place in range(len(pictures))],
    }
    moving = {"type": "video", "video": np.stack([np.asarray(one) for one in pictures])}
    return [moving, *also], {"do_sample_frames": False, "video_metadata": [about]}


def _plain(processor: Any) -> str:
    """A template for a processor that brings none: its own marks for media, then the words."""
    marks = {
        kind: str(getattr(processor, f"{kind}_token", "") or f"<{kind}>")
        for kind in ("image", "video", "audio")
    }
    chosen = "".join(
        f"{{% if part['type'] == '{kind}' %}}{mark}\n{{% endif %}}" for kind, mark in marks.items()
    )
    return (
        "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
        f"{chosen}{{% if part['type'] == 'text' %}}{{{{ part['text'] }}}}{{% endif %}}"
        "{% endfor %}\n\n{% endfor %}assistant: "
    )


def placeholders(processor: Any) -> Iterator[int]:
    """Tokens that stand for media; no answer may hold one."""
    for kind in ("image", "video", "audio"):
        token = getattr(processor, f"{kind}_token_id", None)
        if isinstance(token, int):
            yield token
