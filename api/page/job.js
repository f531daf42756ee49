// One job: what was asked, the plan with its states, previews, results as they land, the answer.
import { get, listen, post } from "./client.js";
import { drawPlan } from "./graph.js";
import { element } from "./dom.js";
import { figures } from "./media.js";
import { go } from "./shell.js";
import { words as table } from "./words.js";

const say = table({
  en: { plan: "Plan", answer: "Answer", given: "Given", approve: "Run this plan", reply: "Reply", recipe: "As JSON", noPlan: "The plan is being made.", retry: "Run again" },
  zh: { plan: "计划", answer: "回答", given: "输入", approve: "运行这个计划", reply: "回复", recipe: "JSON", noPlan: "正在制定计划。", retry: "再运行一次" },
});
const getJob = (id) => get(`/v1/jobs/${id}`), cancelJob = (id) => post(`/v1/jobs/${id}/cancel`), retryJob = (id) => post(`/v1/jobs/${id}/retry`);
const approveJob = (id, revision) => post(`/v1/jobs/${id}/approve`, { revision }), replyTo = (id, input) => post(`/v1/jobs/${id}/input`, { input });

const ENDED = new Set(["succeeded", "failed", "canceled", "expired"]);
const REFRESH = new Set([
  "snapshot", "plan.ready", "plan.revised", "job.waiting", "job.input", "job.output", "step.output", "step.completed", "step.failed",
  "step.cached", "step.skipped", "job.succeeded", "job.failed", "job.canceled", "job.expired", "job.canceling",
]);

/** Shows job `id` in `root` and follows it; returns a function that stops following. */
export function show(place, { id }) {
  const root = element("article", { class: "column card" });
  place.append(root);
  return showJob(root, id, { onChange() {}, onOpen: (job) => go(`/jobs/${job}`) });
}

function showJob(root, id, { onChange, onOpen }) {
  const view = { job: null, live: new Map(), previews: new Map(), words: "" };
  let asked = 0, shown = 0, ended = false;

  async function refresh() {
    const number = ++asked;
    const job = await getJob(id);
    if (number < shown || ended) return;
    shown = number;
    view.job = job;
    render(root, view, onOpen);
    onChange(job);
  }

  const stop = listen(`/v1/jobs/${id}/events`, (name, data) => {
    const step = data.step, news = data.data ?? data;
    if (name === "step.progress" || name === "step.started") view.live.set(step, { status: "running", progress: news });
    if (["step.completed", "step.failed", "step.cached", "step.skipped", "step.retrying"].includes(name)) view.live.delete(step);
    if (name === "step.preview" && news.image) view.previews.set(step, `data:${news.media_type ?? "image/jpeg"};base64,${news.image}`);
    if (name === "plan.delta") view.words += news.text ?? "";
    if (REFRESH.has(name)) refresh().catch(() => {});
    else if (view.job) render(root, view, onOpen);
  }, () => refresh().catch(() => {}));
  refresh().catch((error) => root.replaceChildren(element("p", { class: "error" }, error.message)));
  return () => { ended = true; stop(); };
}

function requestOf(job) {
  const words = job.input?.filter((part) => part.type === "text").map((part) => part.text).join("\n");
  return words || job.workflow || job.id;
}

function questionOf(job) {
  const field = element("input", { name: "reply", required: "", autocomplete: "off", "aria-label": say("reply") });
  const send = (event) => { event.preventDefault(); replyTo(job.id, field.value); };
  return element("form", { class: "question", onsubmit: send },
    element("p", {}, job.waiting_for.question),
    element("div", { class: "row" }, field, element("button", { type: "submit" }, say("reply"))));
}

function render(root, view, onOpen) {
  const { job } = view;
  const steps = (job.plan?.steps ?? []).map((step) => ENDED.has(step.status) ? step : { ...step, ...view.live.get(step.id) });
  const given = (job.input ?? []).filter((part) => part.type === "asset");
  const outputs = (job.outputs ?? []).filter((output) => output.asset);
  const words = job.answer?.text ?? (job.outputs ?? []).filter((output) => output.type === "text").map((output) => output.text).join("\n");
  const running = steps.filter((step) => step.status === "running" && view.previews.has(step.id));
  root.replaceChildren(...[
    element("p", { class: "request" }, requestOf(job)),
    given.length ? element("div", { class: "media", "aria-label": say("given") }, ...figures(given.map((part) => ({ asset: part.asset, type: part.modality })))) : null,
    element("div", { class: "row" },
      element("span", { class: `state ${job.status}`, "data-status": job.status }, say(job.status)),
      element("span", { class: "space" }),
      job.waiting_for?.what === "approval" ? element("button", { type: "button", onclick: () => approveJob(job.id, job.plan?.revision) }, say("approve")) : null,
      ENDED.has(job.status) ? null : element("button", { type: "button", class: "quiet", onclick: () => cancelJob(job.id) }, say("cancel")),
      ENDED.has(job.status) ? element("button", { type: "button", class: "quiet", onclick: async () => onOpen((await retryJob(job.id)).id) }, say("retry")) : null),
    job.waiting_for?.what === "input" ? questionOf(job) : null,
    element("h3", {}, say("plan")),
    steps.length ? element("div", { class: "graph" }, drawPlan(steps)) : element("p", { class: "state" }, ENDED.has(job.status) ? "" : `${say("noPlan")} ${view.words.slice(-120)}`),
    running.length ? element("div", { class: "media" }, ...running.map((step) => element("figure", {}, element("img", { src: view.previews.get(step.id), class: "small preview", alt: step.id }), element("figcaption", {}, step.id)))) : null,
    job.error ? element("p", { class: "error", role: "alert" }, job.error.message ?? String(job.error)) : null,
    words || outputs.length ? element("h3", {}, say("answer")) : null,
    words ? element("p", { class: "answer" }, words) : null,
    outputs.length ? element("div", { class: "media" }, ...figures(outputs)) : null,
    element("details", {}, element("summary", {}, say("recipe")), element("pre", {}, JSON.stringify(job.plan ?? {}, null, 1))),
  ].filter(Boolean));
}
