// What a job waits with: its plan, to be changed and approved, or a question, to be answered in words or files.
import { get, patch, post } from "./client.js";
import { composer, describe } from "./composer.js";
import { button, element } from "./dom.js";
import { showEditor } from "./editor.js";
import { announce } from "./shell.js";
import { say } from "./turn_words.js";

/** Shows in `waiting` what job `id` waits with; `refresh()` asks for the job again. `{draw(job), leave()}`. */
export function waitingBox(waiting, id, refresh) {
  let editor = null,
    question = null,
    job = null;

  function draw(next) {
    job = next;
    const what = job.waiting_for?.what ?? "";
    const key = what && `${what} ${job.plan?.revision} ${job.waiting_for.question}`;
    if (waiting.shownKey === key) return;
    waiting.shownKey = key;
    editor?.leave();
    question?.leave();
    editor = question = null;
    waiting.replaceChildren();
    if (what === "approval") approval();
    if (what === "input") {
      question = composer({
        id: `reply-${id}`,
        label: job.waiting_for.question,
        hint: say("answerHint"),
        send: say("reply"),
        rows: 1,
        onSend: async (input) => {
          await post(`/v1/jobs/${id}/input`, { input });
          refresh();
        },
      });
      waiting.append(
        element(
          "section",
          { class: "question card" },
          element("h2", {}, say("question")),
          element("p", { class: "said" }, job.waiting_for.question),
          question.node,
        ),
      );
      question.field.focus({ preventScroll: true });
    }
  }

  async function approval() {
    const trouble = element("div", { class: "error", role: "alert" }),
      spot = element("div", {});
    let revision = job.plan.revision,
      changed = false;
    const fail = (error) => trouble.replaceChildren(...describe(error));
    const approve = button(say("approve"), {
      kind: "",
      drawing: "check",
      onclick: async () => {
        approve.disabled = true;
        try {
          await post(`/v1/jobs/${id}/approve`, { revision, ...(changed ? { plan: editor.plan() } : {}) });
          refresh();
        } catch (error) {
          fail(error);
          approve.disabled = false;
        }
      },
    });
    const keep = button(say("save"), {
      kind: "quiet small",
      disabled: true,
      onclick: async () => {
        try {
          await patch(`/v1/jobs/${id}/plan`, editor.plan(), { "If-Match": `"${revision}"` });
          announce(say("saved", { number: revision + 1 }));
          refresh();
        } catch (error) {
          fail(error);
        }
      },
    });
    waiting.append(
      element(
        "section",
        { class: "card approval" },
        element("div", { class: "row" }, element("h2", {}, say("approveTitle"))),
        spot,
        trouble,
      ),
    );
    try {
      const plan = await get(`/v1/jobs/${id}/plan`);
      const { approve: _, ...options } = job.options;
      editor = await showEditor(spot, plan, {
        actions: [keep, approve],
        judge: { models: options.models ?? {}, ...(options.max_steps ? { max_steps: options.max_steps } : {}) },
        onchange: (_plan, { valid, judged }) => {
          if (valid === null) changed = true;
          approve.disabled = valid === false;
          keep.disabled = !changed || valid !== true;
          if (judged) trouble.replaceChildren();
        },
      });
    } catch (error) {
      fail(error);
    }
  }

  return {
    draw,
    leave() {
      editor?.leave();
      question?.leave();
    },
  };
}
