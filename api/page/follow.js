// A job as it happens: the job object, kept up to date by its events, with what is not stored beside it (progress, previews, words).
import { get, listen } from "./client.js";
import { later } from "./dom.js";

export const ENDED = new Set(["succeeded", "failed", "canceled", "expired"]);
const PASSING = new Set(["step.progress", "step.preview", "plan.delta", "text.delta", "step.started"]);

/**
 * Follows job `id`. `onChange(state, {ended})` gets `{job, previews, texts, lost}` at most once per frame; `ended` is true once,
 * when the job ends while it is watched. Returns `{refresh, show, stop}`: `show` tells again
 * what is known, `refresh` asks first.
 */
export function follow(id, onChange, onError) {
  const state = { job: null, previews: new Map(), texts: new Map(), progress: new Map(), lost: false };
  let frame = 0,
    stopped = false,
    asking = false,
    again = false,
    wasRunning = false;

  function tell() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      if (!stopped && state.job) deliver();
    });
    if (document.hidden) deliver(); // no frames are drawn behind other windows; the title still wants to know
  }

  function deliver() {
    if (stopped || !state.job) return;
    const ended = ENDED.has(state.job.status) && wasRunning;
    wasRunning = !ENDED.has(state.job.status);
    onChange({ ...state, job: merged() }, { ended });
  }

  /** The job with the newest progress of its running steps. */
  function merged() {
    if (!state.job.plan) return state.job;
    const steps = state.job.plan.steps.map((step) => {
      const news = state.progress.get(step.id);
      return news && !["succeeded", "failed", "cached", "skipped", "canceled", "dead"].includes(step.status)
        ? { ...step, status: "running", progress: news.total ? news : step.progress, attempt: news.attempt ?? step.attempt }
        : step;
    });
    return { ...state.job, plan: { ...state.job.plan, steps } };
  }

  async function refresh() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      do {
        again = false;
        const job = await get(`/v1/jobs/${id}`);
        if (stopped) return;
        state.job = job;
        for (const step of job.plan?.steps ?? []) if (step.status !== "running") state.progress.delete(step.id);
        tell();
      } while (again);
    } finally {
      asking = false;
    }
  }

  const soon = later(() => refresh().catch(() => {}), 40);
  const hear = () =>
    listen(
      `/v1/jobs/${id}/events`,
      (name, message) => {
        if (name === "snapshot") {
          state.job = message;
          return tell();
        }
        const step = message.step,
          news = message.data ?? {};
        if (name === "step.progress" || name === "step.started") state.progress.set(step, { ...state.progress.get(step), ...news });
        if (name === "step.preview" && news.image) state.previews.set(step, `data:${news.media_type ?? "image/jpeg"};base64,${news.image}`);
        if (name === "plan.delta" || name === "text.delta") state.texts.set(step, (state.texts.get(step) ?? "") + (news.text ?? ""));
        if (name === "step.started") state.texts.delete(step);
        if (PASSING.has(name)) return tell();
        if (["step.completed", "step.failed", "step.retrying", "step.skipped", "step.cached"].includes(name)) state.progress.delete(step);
        soon();
      },
      (lost) => {
        if (state.lost !== lost) {
          state.lost = lost;
          tell();
        }
        if (lost) soon();
      },
    );
  // A job that has ended has nothing to tell: browsers open few connections to one host, also over several windows.
  let unlisten = () => {};
  refresh().then(
    () => {
      if (!stopped && !ENDED.has(state.job.status)) unlisten = hear();
    },
    (error) => {
      if (!stopped) onError(error);
    },
  );

  return {
    refresh: () => refresh().catch(() => {}),
    show: deliver,
    stop() {
      stopped = true;
      unlisten();
      soon.cancel();
      cancelAnimationFrame(frame);
    },
  };
}
