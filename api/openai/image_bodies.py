"""The bodies of OpenAI's picture calls, and the shape of their answers."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from api.openai.bodies import Asked, Ignored
from api.openai.image_plans import Format, Wish, size_of
from api.schemas.common import Out


def _size(text: str) -> str:
    size_of(text)
    return text


Name = Annotated[str, Field(max_length=256)]
Prompt = Annotated[str, Field(min_length=1, max_length=32_000)]
SizeText = Annotated[
    str, Field(max_length=16, description="`auto`, or `WxH` in pixels."), AfterValidator(_size)
]
Quality = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]


class ImageAsked(Asked):
    """What both calls have in common."""

    prompt: Prompt
    model: Name | None = None
    n: int | None = Field(default=None, ge=1, le=10)
    size: SizeText | None = None
    quality: Quality | None = Field(
        default=None, description="Number of denoising steps: half of the usual to twice as many."
    )
    output_format: Format | None = None
    output_compression: int | None = Field(
        default=None, ge=0, le=100, description="Quality of a JPEG or WebP file."
    )
    background: Literal["opaque", "auto"] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    partial_images: int | None = Field(default=None, ge=0, le=3)
    num_inference_steps: int | None = Field(default=None, ge=1, le=150)
    guidance_scale: float | None = Field(default=None, ge=1, le=20)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    moderation: Ignored = None
    style: Ignored = None
    user: Ignored = None
    safety_identifier: Ignored = None
    complexity: Ignored = None

    def wish(self, model: str | None) -> Wish:
        """The same for the plan; `model`: the one that is pinned."""
        return Wish(
            n=self.n or 1,
            size=size_of(self.size),
            quality=self.quality,
            steps=self.num_inference_steps,
            guidance=self.guidance_scale,
            seed=self.seed,
            format=self.output_format or "png",
            compression=self.output_compression,
            model=model,
        )


class ImageGenerationIn(ImageAsked):
    """Pictures from words."""


class ImageEditIn(ImageAsked):
    """A picture changed as words say: the fields of the form beside its files."""

    strength: float | None = Field(default=None, gt=0, le=1)
    input_fidelity: Literal["high", "low"] | None = Field(
        default=None, description="`high` goes less far from the picture; `strength` wins over it."
    )

    def wish(self, model: str | None) -> Wish:
        """The same for the plan."""
        near = {"high": 0.5, "low": 0.8}.get(self.input_fidelity or "")
        return replace(super().wish(model), strength=self.strength or near)


class ImageOut(Out):
    """One picture."""

    b64_json: str | None = None
    url: str | None = None
    asset: str = Field(description="Its id among the assets.")
    size: str = Field(description="Of this file, in pixels.")
    drawn_size: str = Field(description="Of the drawing, before it was scaled.")


class ImagesOut(Out):
    """The pictures of a call. Nothing that draws here counts tokens, so there is no `usage`; the
    job and `Server-Timing` say what was used.
    """

    created: int
    background: Literal["opaque"] = "opaque"
    output_format: Format
    quality: Quality | None = None
    size: str
    data: list[ImageOut]
    job: str = Field(description="The job that this is a view of.")
