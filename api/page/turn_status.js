// The line under a request: state, place in the queue, how long it will take or took, and the way to stop it.
import { button, element, fill } from "./dom.js";
import { ENDED } from "./follow.js";
import { say } from "./turn_words.js";
import { duration } from "./words.js";

function remaining(job, estimate) {
  if (!estimate?.seconds || !job.started_at) return "";
  const from = Date.parse(job.plan?.steps.find((step) => step.tool === "plan")?.completed_at ?? job.started_at);
  const left = estimate.seconds.p50 - (Date.now() - from) / 1000;
  return left > 0.3 ? say("left", { time: duration(left) }) : say("longer");
}

function notes(job, estimate) {
  if (job.status === "queued") return [job.queue_position ? say("before", { count: job.queue_position }) : say("first")];
  if (job.status === "running" && job.phase === "planning") return [say("planning")];
  if (job.status === "running") return [estimate && !estimate.seconds ? say("noHistory") : remaining(job, estimate)];
  if (!ENDED.has(job.status)) return [];
  const { queue_ms: queue, execution_ms: ran } = job.metrics,
    tokens = (job.usage?.input_tokens ?? 0) + (job.usage?.output_tokens ?? 0);
  return [
    ran !== null && say("took", { time: duration(ran / 1000) }),
    queue > 500 && say("waited", { time: duration(queue / 1000) }),
    tokens > 0 && say("tokens", { count: tokens }),
  ];
}

/** Draws the line; `estimate` is that of the dry run, where there is one, and `onStop(button)` stops the job. */
export function drawStatus(status, { job, lost }, { estimate, onStop }) {
  const messages = job.progress.current.map((one) => one.message).filter(Boolean);
  fill(status, [job.status, lost, ENDED.has(job.status)], () =>
    [
      element(
        "div",
        { class: "row" },
        element("span", { class: `state ${job.status}`, "data-status": job.status }, element("i", { class: "dot" }), say(job.status)),
        element("span", { class: "tiny soft notes" }),
        element("span", { class: "space" }),
        lost && element("span", { class: "tiny error" }, say("lost")),
        !ENDED.has(job.status) &&
          button(say("cancel"), {
            drawing: "stop",
            kind: "quiet small",
            onclick: (event) => onStop(event.currentTarget),
          }),
      ),
      ENDED.has(job.status) ? null : element("progress", { max: 1, value: 0, "aria-label": say("running") }),
    ].filter(Boolean),
  );
  const line = [...notes(job, estimate), ...messages].filter(Boolean).join(" · "),
    spot = status.querySelector(".notes"),
    bar = status.querySelector("progress");
  if (spot && spot.textContent !== line) spot.textContent = line;
  if (bar) bar.value = job.progress.value;
}
