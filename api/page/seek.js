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

let routed = true;  // whether this service has a search route

/** The assets nearest to the weighted sum of `[{asset | text, weight}]`: `[{score, asset}]`, best first. */
export async function seek(mix, { modalities = [], limit = 40 } = {}) {
  if (!routed) return seekByJob(mix, { modalities, limit });
  const [first] = mix, alone = mix.length === 1 && first.weight > 0;
  const ask = alone ? { query: first.asset ? { asset: first.asset } : first.text } : { mix };
  try {
    const reply = await post("/v1/search", { ...ask, ...(modalities.length ? { modalities } : {}), limit });
    return reply.object === "job" ? await hits(await ended(reply)) : reply.data;
  } catch (error) {
    if (!(error.status === 405 || (error.status === 404 && !error.problem?.detail?.includes("asset")))) throw error;
    routed = false;
    return seekByJob(mix, { modalities, limit });
  }
}

/** The same as a job of its own, for a service without a search route. Its job is forgotten, as nobody asked for one. */
async function seekByJob(mix, { modalities, limit }) {
  const [steps, from] = summed(mix);
  steps.push({ id: "find", tool: "search", inputs: { query: { from } }, params: { limit: Math.min(limit, 50), modalities } });
  const job = await post("/v1/jobs", { plan: { steps, reply: { show: ["find.assets", "find.scores"] } }, metadata: { page: "search" } }, { headers: { prefer: "wait=30" } });
  try {
    return await hits(await ended(job));
  } finally {
    remove(`/v1/jobs/${job.id}`).catch(() => {});
  }
}

async function hits(job) {
  const shown = job.outputs.filter((output) => output.asset);
  const scores = [job.outputs.find((output) => output.name?.endsWith(".scores"))?.data].flat();
  const found = await Promise.allSettled(shown.map((output) => get(`/v1/assets/${output.asset}`)));
  return found.flatMap((reply, place) => (reply.status === "fulfilled" ? [{ score: scores[place], asset: reply.value }] : []));
}

/** A job that draws the weighted sum. */
export function draw(mix, seed) {
  const [steps, from] = summed(mix);
  steps.push({ id: "draw", tool: "embedding_to_image", inputs: { embedding: { from } } });
  return post("/v1/jobs", { plan: { steps, reply: { show: ["draw.image"] } }, options: { seed } });
}
