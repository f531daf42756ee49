// Talks to the service: JSON with typed errors, uploads, and event streams. A 401 opens the sign-in box and the request is made again.

export class ServiceError extends Error {
  constructor(problem, status) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.problem = problem;
    this.status = status;
    /** `[{pointer, reason, suggestion}]`: the places in the request that are wrong. */
    this.errors = problem.errors ?? [];
  }
}

let signIn = null, signingIn = null;

/** Sets what opens the sign-in box: an async function that resolves once a key was accepted, or rejects. */
export function onUnauthorized(open) { signIn = open; }

function unlock() {
  signingIn ??= signIn().finally(() => { signingIn = null; });
  return signingIn;
}

/** The JSON answer of `path`. `json` is sent as a body. Raises `ServiceError`. */
export async function request(path, { json, headers = {}, ...options } = {}) {
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const kind = json === undefined || headers["content-type"] ? {} : { "content-type": "application/json" };
  const reply = await fetch(path, { ...options, ...body, headers: { ...kind, ...headers } });
  const found = reply.status !== 204 && reply.headers.get("content-type")?.includes("json") ? await reply.json() : {};
  if (reply.status === 401 && signIn && path !== "/v1/session") {
    await unlock();
    return request(path, { json, headers, ...options });
  }
  if (!reply.ok) throw new ServiceError(found, reply.status);
  return found;
}

export const get = (path, options) => request(path, options);
export const post = (path, json = {}, options = {}) => request(path, { method: "POST", json, ...options });
export const patch = (path, json, headers = {}) => request(path, { method: "PATCH", json, headers: { "content-type": "application/merge-patch+json", ...headers } });
export const put = (path, json, headers = {}) => request(path, { method: "PUT", json, headers });
export const remove = (path) => request(path, { method: "DELETE" });

/** The asset that a file became. */
export function upload(file, options = {}) {
  const form = new FormData();
  form.append("file", file, file.name || "file");
  return request("/v1/assets", { method: "POST", body: form, ...options });
}

export const contentUrl = (asset) => `/v1/assets/${asset}/content`;

/** What is saved to a disk: the same with its recipe inside, where the file can carry one. */
export const downloadUrl = (asset) => `${contentUrl(asset)}?recipe=true`;

export const thumbnailUrl = (asset, width = 256) => `/v1/assets/${asset}/thumbnail?w=${width}`;

/** What programs that the page gives stand in for a key, where this service asks for one; it is not kept where a script could read it. */
export const keyOfReader = () => (localStorage.getItem("signed-in") ? "YOUR_KEY" : null);

let known = null;

/** All tools by name, asked once; `fresh` asks again. */
export async function tools(fresh = false) {
  if (fresh) known = null;
  known ??= get("/v1/tools").then((list) => new Map(list.data.map((tool) => [tool.name, tool]))).catch((error) => { known = null; throw error; });
  return known;
}

/** Names of all stored and passing events of jobs. */
export const EVENTS = [
  "snapshot", "job.queued", "job.running", "job.waiting", "job.input", "job.approved", "plan.delta", "text.delta", "plan.ready", "plan.revised", "step.started",
  "step.cached", "step.progress", "step.preview", "step.output", "step.retrying", "step.completed", "step.failed",
  "step.skipped", "job.output", "job.canceling", "job.succeeded", "job.failed", "job.canceled", "job.expired",
];
const LAST = new Set(["job.succeeded", "job.failed", "job.canceled", "job.expired"]);

/** Calls `onEvent(name, data)` for each event; a job's stream ends with its last event. The browser resumes by Last-Event-ID,
 * and what it gives up on (a service that was away) is asked for again. Returns a function that stops. */
export function listen(path, onEvent, onTrouble = () => {}) {
  let stream, timer, stopped = false;
  const ofJob = path !== "/v1/events";
  const start = () => {
    stream = new EventSource(path);
    for (const name of EVENTS) {
      stream.addEventListener(name, (event) => {
        if (stopped) return;
        if (ofJob && LAST.has(name)) stop();
        onEvent(name, JSON.parse(event.data));
      });
    }
    stream.onopen = () => onTrouble(false);
    stream.onerror = () => {
      if (stopped) return;
      onTrouble(true);
      if (stream.readyState === EventSource.CLOSED) timer = setTimeout(start, 3000);
    };
  };
  const stop = () => { stopped = true; clearTimeout(timer); stream.close(); };
  start();
  return stop;
}
