// Sending a request, so that it is sent once.
import { post } from "./client.js";

/** Sends a request as a turn of a conversation; a new one where there is none. Gives the job. */
export async function ask(input, { conversation, parent, ...body } = {}) {
  const text = input.find((part) => part.type === "text")?.text ?? "";
  const room = conversation ?? (await post("/v1/conversations", { title: text.replaceAll(/\s+/g, " ").slice(0, 120) })).id;
  return post(
    "/v1/jobs",
    { input, conversation: room, ...(parent ? { parent } : {}), ...body },
    { headers: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` } },
  );
}
