"""Plain media tools: they need no weights, and run on any worker."""

from typing import Literal

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import BUDGET, NoParams, Params, Port, Tool, port

TEXT, IMAGE, AUDIO, VIDEO = Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO


class ResizeParams(Params):
    """Target size in pixels; with one side given, the other follows the picture's shape."""

    width: int | None = Field(default=None, ge=1, le=8192)
    height: int | None = Field(default=None, ge=1, le=8192)
    scale: float | None = Field(
        default=None, gt=0, le=16, description="Instead of a size: a factor."
    )


class CropParams(Params):
    """A rectangle as fractions of the picture, from its upper left corner."""

    left: float = Field(default=0.0, ge=0, lt=1)
    top: float = Field(default=0.0, ge=0, lt=1)
    right: float = Field(default=1.0, gt=0, le=1)
    bottom: float = Field(default=1.0, gt=0, le=1)


class RotateParams(Params):
    """A turn."""

    degrees: float = Field(default=90.0, ge=-360, le=360, description="Counter-clockwise.")


class CollageParams(Params):
    """A grid of pictures."""

    columns: int | None = Field(default=None, ge=1, le=16, description="Default: nearly square.")
    cell: int = Field(default=256, ge=16, le=1024, description="Side of a cell in pixels.")
    gap: int = Field(default=8, ge=0, le=128)


class CaptionParams(Params):
    """Where words go."""

    place: Literal["top", "bottom"] = "bottom"


class ConvertImageParams(Params):
    """A picture's file format."""

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Of a JPEG or WebP file; more is better and bigger.",
        json_schema_extra={BUDGET: True},
    )


class ConvertAudioParams(Params):
    """A sound's file format."""

    format: Literal["wav", "flac", "mp3", "ogg"] = "wav"
    codec: Literal["opus", "aac"] | None = Field(
        default=None,
        description="Instead of the format: Opus in Ogg, or AAC in ADTS.",
        json_schema_extra={BUDGET: True},
    )
    rate: int | None = Field(
        default=None,
        ge=8000,
        le=96_000,
        description="Samples per second of a single channel; default: as it is.",
        json_schema_extra={BUDGET: True},
    )


class TrimParams(Params):
    """A stretch of time in seconds."""

    start: float = Field(default=0.0, ge=0, le=36_000)
    end: float | None = Field(default=None, gt=0, le=36_000)


class MixParams(Params):
    """Loudness of each sound."""

    gains: list[float] = Field(
        default_factory=list, max_length=16, description="Factors; default: all 1."
    )


class FramesParams(Params):
    """How many pictures to take, evenly spread."""

    count: int = Field(default=4, ge=1, le=64)


class SlideshowParams(Params):
    """Timing of a slideshow."""

    seconds: float = Field(
        default=2.0, ge=0.1, le=60, description="Per picture; with sound its length is shared out."
    )
    fps: int = Field(default=12, ge=1, le=60)


def _tool(
    name: str,
    about: str,
    inputs: dict[str, Port],
    outputs: dict[str, Port],
    params: type[Params] = NoParams,
    *,
    by_hub: bool = True,
) -> Tool:
    return Tool(
        name=name,
        about=about,
        inputs=inputs,
        outputs=outputs,
        params=params,
        lane=Lane.CPU,
        by_hub=by_hub,
    )


_IMAGE_IN = {"image": port(IMAGE, about="The picture.")}
_IMAGE_OUT = {"image": port(IMAGE, about="The resulting picture.")}
_AUDIO_IN = {"audio": port(AUDIO, about="The sound.")}
_AUDIO_OUT = {"audio": port(AUDIO, about="The resulting sound.")}
_VIDEO_IN = {"video": port(VIDEO, about="The video.")}
_VIDEO_OUT = {"video": port(VIDEO, about="The resulting video.")}

MEDIA_TOOLS = (
    _tool("resize", "Makes a picture bigger or smaller.", _IMAGE_IN, _IMAGE_OUT, ResizeParams),
    _tool("crop", "Cuts a rectangle out of a picture.", _IMAGE_IN, _IMAGE_OUT, CropParams),
    _tool("rotate", "Turns a picture.", _IMAGE_IN, _IMAGE_OUT, RotateParams),
    _tool(
        "collage",
        "Puts pictures side by side on one sheet.",
        {"images": port(IMAGE, about="The pictures.", many=True)},
        _IMAGE_OUT,
        CollageParams,
    ),
    _tool(
        "caption",
        "Writes words onto a picture.",
        {**_IMAGE_IN, "text": port(TEXT, about="The words.")},
        _IMAGE_OUT,
        CaptionParams,
    ),
    _tool(
        "convert_image",
        "Changes a picture's file format.",
        _IMAGE_IN,
        _IMAGE_OUT,
        ConvertImageParams,
    ),
    _tool(
        "alpha_mask",
        "Makes a mask: white where a picture is transparent.",
        _IMAGE_IN,
        {"image": port(IMAGE, about="Black and white.")},
        by_hub=False,
    ),
    _tool(
        "convert_audio", "Changes a sound's file format.", _AUDIO_IN, _AUDIO_OUT, ConvertAudioParams
    ),
    _tool("trim_audio", "Keeps a stretch of a sound.", _AUDIO_IN, _AUDIO_OUT, TrimParams),
    _tool("trim_video", "Keeps a stretch of a video.", _VIDEO_IN, _VIDEO_OUT, TrimParams),
    _tool(
        "concat_audio",
        "Plays sounds one after the other.",
        {"audios": port(AUDIO, about="The sounds, in order.", many=True)},
        _AUDIO_OUT,
    ),
    _tool(
        "concat_video",
        "Plays videos one after the other.",
        {"videos": port(VIDEO, about="The videos, in order.", many=True)},
        _VIDEO_OUT,
    ),
    _tool(
        "mix_audio",
        "Plays sounds at the same time.",
        {"audios": port(AUDIO, about="The sounds.", many=True)},
        _AUDIO_OUT,
        MixParams,
    ),
    _tool("waveform", "Draws a sound's waveform.", _AUDIO_IN, _IMAGE_OUT),
    _tool("spectrogram", "Draws a sound's spectrogram.", _AUDIO_IN, _IMAGE_OUT),
    _tool(
        "extract_frames",
        "Takes still pictures out of a video.",
        _VIDEO_IN,
        {"images": port(IMAGE, about="The pictures, in order.", many=True, max_items=64)},
        FramesParams,
    ),
    _tool("extract_audio", "Takes the sound out of a video.", _VIDEO_IN, _AUDIO_OUT),
    _tool(
        "slideshow",
        "Makes a video of pictures, with sound if given.",
        {
            "images": port(IMAGE, about="The pictures, in order.", many=True, max_items=64),
            "audio": port(AUDIO, about="Sound to go with them.", required=False),
        },
        _VIDEO_OUT,
        SlideshowParams,
    ),
    _tool(
        "mux",
        "Gives a video another sound track.",
        {**_VIDEO_IN, **_AUDIO_IN},
        _VIDEO_OUT,
    ),
)
