// Finding and drawing by meaning: what words, pictures and sounds are near to, added and subtracted.
import { get, post, remove } from "./client.js";

const ENDED = new Set(["succeeded", "failed", "canceled", "expired"]);
export const EMBEDDABLE = new Set(["text", "image", "audio", "video"]);

/** The job when it has ended; `onChange(job)` sees it about once a second until then. Raises the job's own error. */
export async function ended(job, onChange = () => {}) {
  let now = job;
  while (!ENDED.has(now.status)) {
    onChange(now);
    await new Promise((resolve) => setTimeout(resolve, 700));
    now = await get(`/v1/jobs/${job.id}`);
  }
  onChange(now);
  if (now.status !== "succeeded") throw new Error(now.error?.message ?? now.status);
  return now;
}

const bound = (item) => (item.asset ? { asset: item.asset } : { text: item.text });

/** Steps that put each of `[{asset | text, weight}]` into the space and add them; the last value is where the sum comes out. */
function summed(mix) {
  const steps = mix.map((item, place) => ({ id: `e${place + 1}`, tool: "embed", inputs: { media: bound(item) } }));
  if (mix.length === 1 && mix[0].weight > 0) return [steps, "e1.embedding"];
  const embeddings = steps.map((step) => ({ from: `${step.id}.embedding` }));
  return [[...steps, { id: "mix", tool: "embed_combine", inputs: { embeddings }, params: { weights: mix.map((item) => item.weight) } }], "mix.embedding"];
}

/** The assets nearest to the weighted sum of `[{asset | text, weight}]`: `[{score, asset, span}]`, best first. The job of a search is
 * forgotten when its hits are here, as nobody asked for a job. */
export async function seek(mix, { modalities = [], origin, limit = 40 } = {}) {
  let reply = await post("/v1/search", { mix, modalities, limit, ...(origin ? { filter: { origin } } : {}) }, { headers: { prefer: "wait=30" } });
  const job = reply.object === "job" ? reply.id : reply.job;
  while (reply.object === "job") {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    reply = await get(`/v1/search/${job}`);
  }
  remove(`/v1/jobs/${job}`).catch(() => {});
  return reply.data;
}

/** A job that draws the weighted sum. */
export function draw(mix, seed) {
  const [steps, from] = summed(mix);
  steps.push({ id: "draw", tool: "embedding_to_image", inputs: { embedding: { from } } });
  return post("/v1/jobs", { plan: { steps, reply: { show: ["draw.image"] } }, options: { seed } });
}
