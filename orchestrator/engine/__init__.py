"""The engine: jobs, steps and leases as guarded changes of rows. Postgres is the truth.

`ask` is what callers may do, `hold` what workers may do; both call one SQL function per change
(`orchestrator/migrations/functions`). What follows a change is the same as `orchestrator.advance`
says.
"""

from orchestrator.engine.ask import (
    RevisionMoved,
    approve,
    cancel_job,
    give_input,
    retry_job,
    revise,
    submit,
)
from orchestrator.engine.bindings import (
    Inputs,
    StoredAsset,
    asset_ids,
    assets_of,
    load_assets,
    resolve,
)
from orchestrator.engine.hold import (
    claim,
    commit_step,
    commit_steps,
    fail_step,
    lose_step,
    lose_worker,
    release_step,
    renew,
    report_progress,
    retry_delay,
)
from orchestrator.engine.values import (
    MAX_CRASHES,
    Commit,
    Committed,
    Kind,
    Lease,
    NewAsset,
    NewEmbedding,
    NewJob,
    NewMessage,
    NewStep,
    Offer,
    Outcome,
    check_graph,
)

__all__ = [
    "MAX_CRASHES",
    "Commit",
    "Committed",
    "Inputs",
    "Kind",
    "Lease",
    "NewAsset",
    "NewEmbedding",
    "NewJob",
    "NewMessage",
    "NewStep",
    "Offer",
    "Outcome",
    "RevisionMoved",
    "StoredAsset",
    "approve",
    "asset_ids",
    "assets_of",
    "cancel_job",
    "check_graph",
    "claim",
    "commit_step",
    "commit_steps",
    "fail_step",
    "give_input",
    "load_assets",
    "lose_step",
    "lose_worker",
    "release_step",
    "renew",
    "report_progress",
    "resolve",
    "retry_delay",
    "retry_job",
    "revise",
    "submit",
]
