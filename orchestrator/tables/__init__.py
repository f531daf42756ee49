"""The tables: what Medley knows, in Postgres, a file for each room. Core tables only; the hot path
speaks SQL functions. Every row that a caller may see carries its tenant.
"""

from orchestrator.tables.asset import assets, embeddings
from orchestrator.tables.batch import batch_lines, batches
from orchestrator.tables.caller import audit, idempotency, keys, sessions
from orchestrator.tables.columns import metadata
from orchestrator.tables.conversation import conversations, messages
from orchestrator.tables.job import events, jobs
from orchestrator.tables.step import edges, step_attempts, step_cache, steps
from orchestrator.tables.totals import measured, measures, usage
from orchestrator.tables.upload import upload_parts, uploads
from orchestrator.tables.vector_store import vector_store_files, vector_stores
from orchestrator.tables.webhook import webhook_deliveries, webhook_endpoints
from orchestrator.tables.worker import models, workers
from orchestrator.tables.workflow import workflow_versions, workflows

__all__ = [
    "assets",
    "audit",
    "batch_lines",
    "batches",
    "conversations",
    "edges",
    "embeddings",
    "events",
    "idempotency",
    "jobs",
    "keys",
    "measured",
    "measures",
    "messages",
    "metadata",
    "models",
    "sessions",
    "step_attempts",
    "step_cache",
    "steps",
    "upload_parts",
    "uploads",
    "usage",
    "vector_store_files",
    "vector_stores",
    "webhook_deliveries",
    "webhook_endpoints",
    "workers",
    "workflow_versions",
    "workflows",
]
