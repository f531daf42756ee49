"""Names of attributes: OpenTelemetry's conventions for generative AI, and ours.

The conventions are in development and their own constants are marked as deprecated: what they are
called is decided here and nowhere else.
"""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
SEED = "gen_ai.request.seed"
OUTPUT_TYPE = "gen_ai.output.type"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CONVERSATION = "gen_ai.conversation.id"
WORKFLOW = "gen_ai.workflow.name"
TOOL = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
INPUT_MESSAGES = "gen_ai.input.messages"
DATA_SOURCE = "gen_ai.data_source.id"
DOCUMENTS = "gen_ai.retrieval.documents"
ERROR_TYPE = "error.type"

JOB = "medley.job.id"
JOB_STATUS = "medley.job.status"
STEP = "medley.step.id"
ATTEMPT = "medley.step.attempt"
OUTCOME = "medley.step.outcome"
CACHED = "medley.step.cached"
QUEUED_MS = "medley.step.queued_ms"
WORKER = "medley.worker.id"
LANE = "medley.lane"
UNFINISHED = "medley.unfinished"
LIMIT = "medley.search.limit"
HITS = "medley.search.hits"
BEST_SCORE = "medley.search.best_score"

MEDLEY = "medley"  #: the provider
INVOKE_WORKFLOW, CHAT, EXECUTE_TOOL = "invoke_workflow", "chat", "execute_tool"
EMBEDDINGS, RETRIEVAL = "embeddings", "retrieval"

#: What the conventions call the work of a tool; the others execute a tool.
_OPERATIONS = {
    **dict.fromkeys(("plan", "answer", "chat"), CHAT),
    **dict.fromkeys(("embed", "embed_list", "index"), EMBEDDINGS),
    "search": RETRIEVAL,
}

#: What the conventions call an output of this modality; others have no name there.
OUTPUT_TYPES = {"text": "text", "data": "json", "image": "image", "audio": "speech"}


def operation_of(tool: str) -> str:
    """The operation that a step of this tool is."""
    return _OPERATIONS.get(tool, EXECUTE_TOOL)
