// When each step ran: a bar per step on one axis of time, the running ones growing.
import { element } from "./dom.js";
import { duration, plain, words } from "./words.js";

const say = words({
  en: { step: "Step", state: "State", took: "Took", began: "Began", model: "Model", caption: "Times of the steps", notBegun: "not begun" },
  zh: { step: "步骤", state: "状态", took: "用时", began: "开始", model: "模型", caption: "各步骤的时间", notBegun: "未开始" },
});

/** A table of the steps with their bars; it is its own text alternative. `onPick(step id)`. */
export function timeline(job, now = Date.now(), onPick = () => {}) {
  const start = Date.parse(job.created_at),
    moments = job.plan.steps.map((step) => ({
      step,
      from: step.started_at && Date.parse(step.started_at),
      to: step.completed_at ? Date.parse(step.completed_at) : step.status === "running" ? now : null,
    }));
  const end = Math.max(start + 1, job.completed_at ? Date.parse(job.completed_at) : now, ...moments.map((moment) => moment.to ?? 0)),
    whole = end - start;
  const at = (time) => `${Math.min(100, Math.max(0, ((time - start) / whole) * 100)).toFixed(2)}%`;
  return element(
    "table",
    { class: "timeline" },
    element("caption", { class: "unseen" }, say("caption")),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, say("step")),
        element(
          "th",
          { scope: "col", class: "track" },
          element(
            "span",
            { class: "axis" },
            element("span", {}, "0"),
            element("span", {}, duration(whole / 2000)),
            element("span", {}, duration(whole / 1000)),
          ),
        ),
        element("th", { scope: "col" }, say("took")),
      ),
    ),
    element(
      "tbody",
      {},
      ...moments.map(({ step, from, to }) =>
        element(
          "tr",
          { class: step.status },
          element(
            "th",
            { scope: "row" },
            element(
              "button",
              { type: "button", class: "quiet small", onclick: () => onPick(step.id) },
              element("span", { class: `state ${step.status}` }, element("i", { class: "dot" })),
              step.id === step.tool ? plain(step.tool) : `${step.id} · ${plain(step.tool)}`,
            ),
          ),
          element(
            "td",
            { class: "track" },
            from && to
              ? element("span", {
                  class: `span ${step.status}`,
                  style: `left:${at(from)};width:calc(${at(to)} - ${at(from)})`,
                  title: `${say("began")} ${duration((from - start) / 1000)} · ${step.model ?? ""}`,
                })
              : null,
          ),
          element(
            "td",
            { class: "tiny" },
            from && to ? duration((to - from) / 1000) : say(step.status),
            step.attempt > 1 ? ` ×${step.attempt}` : "",
          ),
        ),
      ),
    ),
  );
}
