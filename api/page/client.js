// Talks to the service: JSON requests with typed errors, and the event stream of a job.

export class ServiceError extends Error {
  constructor(problem, status) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.problem = problem;
    this.status = status;
  }
}

async function request(path, options = {}) {
  const reply = await fetch(path, options);
  const body = reply.headers.get("content-type")?.includes("json") ? await reply.json() : {};
  if (!reply.ok) throw new ServiceError(body, reply.status);
  return body;
}

const post = (path, body) => request(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}),
});

export function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name || "recording.webm");
  return request("/v1/assets", { method: "POST", body: form });
}

export const submit = (input, options) => post("/v1/jobs", { input, options });
export const getJob = (id) => request(`/v1/jobs/${id}`);
export const cancelJob = (id) => post(`/v1/jobs/${id}/cancel`);
export const approveJob = (id, revision) => post(`/v1/jobs/${id}/approve`, { revision });
export const replyTo = (id, words) => post(`/v1/jobs/${id}/input`, { input: words });
export const retryJob = (id) => post(`/v1/jobs/${id}/retry`, {});
export const listJobs = (after) => request(`/v1/jobs?limit=20${after ? `&after=${after}` : ""}`);
export const contentUrl = (asset) => `/v1/assets/${asset}/content`;

const NAMES = [
  "snapshot", "job.queued", "job.running", "job.waiting", "job.input", "plan.delta", "plan.ready", "plan.revised", "step.started",
  "step.cached", "step.progress", "step.preview", "step.output", "step.retrying", "step.completed", "step.failed",
  "step.skipped", "job.output", "job.canceling", "job.succeeded", "job.failed", "job.canceled", "job.expired",
];
const LAST = new Set(["job.succeeded", "job.failed", "job.canceled", "job.expired"]);

/** Calls `onEvent(name, data)` for each event until the job has ended; the browser resumes by Last-Event-ID. */
export function watch(id, onEvent, onTrouble) {
  const stream = new EventSource(`/v1/jobs/${id}/events`);
  for (const name of NAMES) {
    stream.addEventListener(name, (event) => {
      onEvent(name, JSON.parse(event.data));
      if (LAST.has(name)) stream.close();
    });
  }
  stream.onerror = () => onTrouble?.(stream.readyState === EventSource.CLOSED);
  return () => stream.close();
}
