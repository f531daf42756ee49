"""Ids that callers send: one job is known under several prefixes, as itself and as views of it."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

JOB, RESPONSE, COMPLETION, VIDEO = "job_", "resp_", "chatcmpl-", "video_"
_VIEW = re.compile(rf"(?:{RESPONSE}|{COMPLETION}|{VIDEO})([0-9a-f]+)")


def job_id(name: str) -> str:
    """The id of the job behind the id of a view of it; any other id as it is."""
    found = _VIEW.fullmatch(name)
    return JOB + found[1] if found else name


def uuid_of(job: str) -> str:
    """What the ids of a job and of its views have in common."""
    return job.partition("_")[2]


JobId = Annotated[str, Path(), AfterValidator(job_id)]
