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

INVOKE_WORKFLOW, CHAT, EXECUTE_TOOL = "invoke_workflow", "chat", "execute_tool"

#: What the conventions call an output of this modality; others have no name there.
OUTPUT_TYPES = {"text": "text", "data": "json", "image": "image", "audio": "speech"}
