"""What the tools for agents take. Their JSON Schemas are what an agent's model reads."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from api.agents.media import ABOUT
from api.schemas.common import Body
from api.schemas.requests import MAX_PARTS, AssetIn, FileIn, JobIn, Options, TextIn
from medley.mcp.declaration import SERVER
from medley.modality import Modality
from medley.parts import MAX_TEXT
from medley.plan import STEP_ID

Words = Annotated[str, Field(max_length=MAX_TEXT)]
#: An id, or a file of some megabytes.
Medium = Annotated[str, Field(max_length=24 << 20)]
JobId = Annotated[str, Field(max_length=64, description="Id of the job, `job_…`.")]


class Request(Body):
    """A free request: planned by the hub, checked, and run."""

    request: Words = Field(description="What is wanted, in plain words.")
    media: list[Medium] = Field(
        default_factory=list, max_length=MAX_PARTS - 1, description=f"What it is about. {ABOUT}"
    )
    outputs: list[Modality] = Field(
        default_factory=list, max_length=8, description="Modalities that are wanted; empty: any."
    )
    instructions: Words | None = Field(default=None, description="How to go about it.")
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    tools_from: list[Annotated[str, Field(pattern=SERVER)]] | None = Field(
        default=None, max_length=16, description="Attached MCP servers that the plan may use."
    )

    def order(self, media: Sequence[AssetIn | FileIn], **options: Any) -> JobIn:
        """The job that is asked for, about these media."""
        given = {"seed": self.seed, "tools_from": self.tools_from, **options}
        return JobIn(
            input=[TextIn(type="text", text=self.request), *media],
            instructions=self.instructions,
            outputs=self.outputs,
            options=Options.model_validate(
                {name: value for name, value in given.items() if value is not None}
            ),
        )


class Generate(Request):
    """A free request that runs."""

    approve: Literal["auto", "plan"] = Field(
        default="auto", description="`plan`: wait with the checked plan for answer_job."
    )


class Edit(Generate):
    """A change of media."""

    request: Words = Field(description="What should change, in plain words.")
    media: list[Medium] = Field(
        min_length=1, max_length=MAX_PARTS - 1, description=f"What should be changed. {ABOUT}"
    )


class RunWorkflow(Body):
    """A run of a saved workflow."""

    workflow: str = Field(
        max_length=64, description="`wf_…`, or `wf_…@2` for a version; the prompts list them."
    )
    inputs: dict[
        Annotated[str, Field(pattern=STEP_ID)],
        Medium | Annotated[list[Medium], Field(max_length=64)],
    ] = Field(
        default_factory=dict,
        max_length=64,
        description=f"By name: words for inputs of modality text, else media. {ABOUT}",
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63)


class JobStatus(Body):
    """A look at a job."""

    job: JobId
    wait_s: float = Field(
        default=0, ge=0, le=60, description="Seconds to wait for its end before looking."
    )


class AnswerJob(Body):
    """What a waiting job waits for."""

    job: JobId
    approve: bool | None = Field(
        default=None, description="true runs the plan that waits, false cancels the job."
    )
    answer: Words | None = Field(default=None, description="The answer to its question.")
    media: list[Medium] = Field(default_factory=list, max_length=MAX_PARTS - 1)


class CancelJob(Body):
    """The end of a job before its time."""

    job: JobId


class SearchAssets(Body):
    """A search in the shared space: words find pictures, sounds find videos."""

    query: Words | None = Field(default=None, min_length=1, description="Words to look for.")
    like: Medium | None = Field(default=None, description=f"Or a medium. {ABOUT}")
    modalities: list[Literal["image", "audio", "video"]] = Field(
        default_factory=list, max_length=3, description="What may be found; empty: anything."
    )
    limit: int = Field(default=5, ge=1, le=20)
