"""The hook of `chat`: what the hub says becomes the next message of the conversation, too."""

from medley.calls import call_data
from medley.errors import MedleyError
from medley.parts import DataPart, Part, TextPart
from orchestrator.context import load_context
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Parts, Prepared


class ChatHook:
    """Runs its backend as it is, and writes the message down."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """Nothing has to be looked up: the chat stands in the parameters."""
        return Prepared(inputs=inputs)

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """Its outputs, and the message."""
        text, said = outputs["text"], outputs["said"]
        parts: list[Part] = [text] if isinstance(text, TextPart) and text.text else []
        if isinstance(said, DataPart):
            parts += [DataPart(data=call_data(lease.job, call)) for call in said.data["calls"]]
        message = load_context(conn, lease.job).reply(
            [part.model_dump(mode="json") for part in parts]
        )
        return Commit(message=message)

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """What cannot be said, is not."""
        return None
