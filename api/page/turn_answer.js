// What was asked, what is there before the answer, and the answer with its media.
import { element, fill } from "./dom.js";
import { ENDED } from "./follow.js";
import { figures } from "./media.js";
import { WHOLE_JOB } from "./plan_edits.js";
import { GOOD, say, wordsOf } from "./turn_words.js";
import { plain } from "./words.js";

/** The request as its sender sees it. */
export function drawRequest(request, job) {
  const given = job.input.filter((one) => one.asset).map((one) => ({ asset: one.asset, type: one.modality, name: "" }));
  const text = wordsOf(job) || (job.kind === "workflow" ? say("workflow") : job.kind === "plan" ? say("planGiven") : "");
  fill(request, [text, given, job.retry_of], () =>
    element(
      "div",
      { class: "bubble" },
      element("span", { class: "unseen" }, say("you")),
      given.length ? element("div", { class: "media small" }, ...figures(given)) : null,
      text && element("p", { class: "said" }, text),
      job.retry_of && element("a", { class: "tiny", href: `#/jobs/${job.retry_of}` }, say("retryOf")),
      job.workflow && element("a", { class: "tiny", href: `#/workflows/${job.workflow}` }, job.workflow),
    ),
  );
}

/** Pictures, sounds and words that are there before the answer is. */
export function drawLanded(landed, state) {
  const { job } = state;
  if (ENDED.has(job.status) || job.status === "waiting") return fill(landed, "", () => null);
  const made = (job.plan?.steps ?? [])
    .filter((step) => GOOD.has(step.status) && !WHOLE_JOB.has(step.tool))
    .flatMap((step) =>
      Object.entries(step.outputs).flatMap(([name, given]) =>
        [given].flat().map((one) => ({ ...one, step: step.id, name: `${step.id} · ${plain(name)}` })),
      ),
    );
  const media = made
    .filter((one) => one.asset && one.modality !== "embedding")
    .map((one) => ({ asset: one.asset, type: one.modality, step: one.step, name: one.name }));
  const texts = made.filter((one) => one.text);
  const running = (job.plan?.steps ?? []).filter((step) => step.status === "running" && state.previews.has(step.id)).map((step) => step.id);
  fill(landed, [media.map((one) => one.asset), texts.map((one) => one.text), running], () =>
    media.length || texts.length || running.length
      ? [
          element("h3", {}, say("so")),
          ...texts.map((one) => element("p", { class: "said soft" }, one.text)),
          element(
            "div",
            { class: "media" },
            ...figures(media),
            ...running.map((step) =>
              element(
                "figure",
                { class: "image preview", "data-preview": step },
                element("img", { alt: step }),
                element("figcaption", {}, step),
              ),
            ),
          ),
        ]
      : null,
  );
  for (const step of running) {
    const spot = landed.querySelector(`[data-preview="${step}"] img`);
    if (spot && spot.src !== state.previews.get(step)) spot.src = state.previews.get(step);
  }
}

/** The answer: its words and what it shows; where it failed, at which step and why. */
export function drawAnswer(answer, state) {
  const { job } = state;
  const shown = job.outputs
    .filter((output) => output.asset)
    .map((output) => ({
      asset: output.asset,
      type: output.type,
      step: output.step,
      name: output.name ?? "",
      alt: `${output.type}: ${wordsOf(job)}`.slice(0, 160),
    }));
  const texts = job.outputs.filter((output) => output.type === "text" && output.text).map((output) => output.text),
    data = job.outputs.filter((output) => output.data !== null && output.data !== undefined);
  const written =
    job.answer?.text ||
    texts.join("\n") ||
    (ENDED.has(job.status) ? "" : (state.texts.get("answer") ?? "").replaceAll(/\s*\[a\d*\]?/g, ""));
  const failed = (job.plan?.steps ?? []).filter((step) => ["failed", "dead"].includes(step.status));
  fill(answer, [written, shown, data, job.status, job.error, failed.map((step) => step.id)], () =>
    [
      written || shown.length || data.length
        ? element(
            "div",
            { class: "reply" },
            element("span", { class: "unseen" }, say("medley")),
            written && element("p", { class: "said answer" }, written),
            shown.length > 0 && element("div", { class: "media" }, ...figures(shown)),
            ...data.map((output) => element("pre", {}, JSON.stringify(output.data, null, 1))),
          )
        : null,
      job.status === "failed" &&
        element(
          "div",
          { class: "trouble" },
          element("h2", {}, say("failedTitle")),
          element("p", { class: "error" }, job.error?.message ?? ""),
          ...(job.error?.errors ?? []).map((fault) =>
            element(
              "p",
              { class: "tiny" },
              element("code", {}, fault.pointer ?? ""),
              ` ${fault.reason ?? ""} `,
              fault.suggestion && element("b", {}, fault.suggestion),
            ),
          ),
          ...failed.map((step) =>
            element(
              "p",
              { class: "tiny" },
              element("b", {}, `${step.id} · ${plain(step.tool)}`),
              step.error?.message && step.error.message !== job.error?.message ? `: ${step.error.message}` : "",
            ),
          ),
        ),
      job.status === "canceled" && element("p", { class: "soft" }, say("canceledTitle")),
      job.status === "expired" && element("p", { class: "soft" }, say("expiredTitle")),
    ].filter(Boolean),
  );
}
