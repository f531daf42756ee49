"""Quotas: how much a key, or a tenant, may use. None means no limit."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**53)]


class Quota(BaseModel):
    """Limits. A day is one of the UTC calendar, and a job counts towards the day it was made on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    open_jobs: Count | None = Field(default=None, description="Jobs that have not ended.")
    jobs_per_day: Count | None = None
    gpu_seconds_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    tokens_per_day: Count | None = Field(default=None, description="Of language models.")
    bytes_stored: Count | None = None

    def over(self, default: "Quota") -> "Quota":
        """This quota, with the default wherever it says nothing; a null says "no limit"."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return default.model_copy(update=own)

    def beyond(self, other: "Quota") -> list[str]:
        """Names of the limits that are wider here than there."""
        return [
            name
            for name, most in other
            if most is not None and (getattr(self, name) is None or getattr(self, name) > most)
        ]

    @property
    def counts_jobs(self) -> bool:
        """Whether what jobs use has to be counted."""
        return any(value is not None for name, value in self if name != "requests_per_minute")


NO_LIMITS = Quota()
