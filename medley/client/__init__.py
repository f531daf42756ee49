"""The client of a Medley service, for programs and notebooks, with threads or an event loop.

    medley = Medley("http://127.0.0.1:8484")
    job = medley.run("What do you hear? Draw it.", ["bark.wav"]).watch()
    print(job.answer)
    job.asset.save("dog.png")

`AsyncMedley` is the same, awaited. Light to import: no model library, no server.
"""

from medley.client.asset import Asset, AsyncAsset
from medley.client.errors import (
    Broken,
    Conflicting,
    Invalid,
    JobFailed,
    Missing,
    NotAllowed,
    Refused,
    TooMany,
)
from medley.client.events import Event
from medley.client.job import AsyncJob, Job
from medley.client.medley import AsyncMedley, Medley
from medley.errors import Unavailable

__all__ = [
    "Asset",
    "AsyncAsset",
    "AsyncJob",
    "AsyncMedley",
    "Broken",
    "Conflicting",
    "Event",
    "Invalid",
    "Job",
    "JobFailed",
    "Medley",
    "Missing",
    "NotAllowed",
    "Refused",
    "TooMany",
    "Unavailable",
]
