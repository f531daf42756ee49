// A new request: words and files, how it should be done, and what it would do and take before it runs.
import { ask } from "./ask.js";
import { get, post, request, tools as allTools } from "./client.js";
import { composer, describe } from "./composer.js";
import { button, element, later } from "./dom.js";
import { showEditor } from "./editor.js";
import { optionsPanel } from "./options.js";
import { announce, go, styles } from "./shell.js";
import { words } from "./words.js";

const say = words({
  en: {
    ask: "What would you like?",
    hint: "Ask for something; add pictures, sounds or videos …",
    send: "Send",
    preview: "Show the plan first",
    options: "Options",
    live: "{count} of {all} tools ready",
    examples: "Examples",
    planTitle: "What would be done",
    planning: "The plan is being made …",
    run: "Run this plan",
    hide: "Hide the plan",
    planReady: "The plan is there.",
    knows: "{name} says how it was made.",
    restore: "Show its plan",
    edited: "Runs exactly this plan; without the hub's written answer.",
    asPlanned: "Nothing has run yet. Change the plan, run it as it stands, or send the request.",
  },
  zh: {
    ask: "你想要什么？",
    hint: "提出请求；可添加图片、声音或视频…",
    send: "发送",
    preview: "先看计划",
    options: "选项",
    live: "{all} 个工具中 {count} 个可用",
    examples: "示例",
    planTitle: "将要做什么",
    planning: "正在制定计划…",
    run: "运行这个计划",
    hide: "收起计划",
    planReady: "计划已就绪。",
    knows: "{name} 记录了自己的制作方式。",
    restore: "显示其计划",
    edited: "将严格按此计划运行；没有中枢撰写的回答。",
    asPlanned: "尚未运行任何步骤。可修改计划、直接运行，或发送请求。",
  },
});
const EXAMPLES = {
  en: ["Draw a penguin.", "Draw a castle and write Hello on it.", "Say good morning aloud.", "Draw a fish, then turn it upside down."],
  zh: ["画一只熊猫。", "画一座城堡，然后在上面写“你好”。", "画一条鱼。"],
};

let recipesKnown = true; // until the service says that it reads none

export async function show(place, { query }) {
  await styles("work.css");
  const chosen = optionsPanel();
  const toggle = button(say("options"), {
    drawing: "options",
    kind: "quiet",
    "aria-expanded": "false",
    id: "options",
    onclick: () => {
      chosen.node.hidden = !chosen.node.hidden;
      toggle.setAttribute("aria-expanded", String(!chosen.node.hidden));
    },
  });
  const look = button(say("preview"), { drawing: "graph", id: "preview", onclick: () => preview() });
  const plan = element("section", { class: "preview card", hidden: true, "aria-label": say("planTitle") });
  let editor = null,
    number = 0,
    edited = false,
    shownFor = "";

  const box = composer({
    label: say("ask"),
    hint: say("hint"),
    send: say("send"),
    keep: "draft",
    everywhere: true,
    rows: 3,
    extras: [toggle, look],
    onChange: () => again(),
    onFile: (blob) => readRecipe(blob),
    onSend: async (input) => {
      const job = await ask(input, chosen.body());
      go(`/conversations/${job.conversation}`);
    },
  });

  function closePlan() {
    number += 1;
    editor?.leave();
    editor = null;
    shownFor = "";
    plan.hidden = true;
    plan.replaceChildren();
  }

  const wanted = () => ({ input: box.parts(), ...chosen.body() });

  /** Asks for the plan of what stands in the field; nothing of it runs. */
  async function preview() {
    let body;
    try {
      box.complain(null);
      body = wanted();
    } catch (error) {
      return box.complain(error);
    }
    const mine = ++number;
    shownFor = JSON.stringify(body);
    plan.hidden = false;
    plan.setAttribute("aria-busy", "true");
    if (!editor) plan.replaceChildren(element("p", { class: "soft" }, say("planning")));
    try {
      const { options, ...rest } = body;
      const found = await post("/v1/plans", { ...rest, options: { ...options, approve: "auto" } });
      if (mine !== number) return;
      announce(say("planReady"));
      await showPlan(found, options);
    } catch (error) {
      if (mine !== number) return;
      closePlan();
      plan.hidden = false;
      plan.replaceChildren(element("div", { class: "error", role: "alert" }, ...describe(error)));
    } finally {
      if (mine === number) plan.removeAttribute("aria-busy");
    }
  }

  async function showPlan(found, options) {
    editor?.leave();
    edited = false;
    const note = element("p", { class: "tiny soft" }, say("asPlanned")),
      place = element("div", {});
    const run = button(say("run"), {
      kind: "",
      drawing: "send",
      id: "run-plan",
      onclick: async () => {
        run.disabled = true;
        try {
          const { approve, ask: _, ...rest } = options ?? {};
          const job = await post("/v1/jobs", { plan: editor.plan(), options: rest });
          go(`/jobs/${job.id}`);
        } catch (error) {
          note.replaceChildren(element("span", { class: "error" }, ...describe(error)));
          run.disabled = false;
        }
      },
    });
    plan.replaceChildren(
      element(
        "div",
        { class: "row" },
        element("h2", {}, say("planTitle")),
        element("span", { class: "space" }),
        button(say("hide"), {
          drawing: "close",
          bare: true,
          onclick: () => {
            closePlan();
            look.focus();
          },
        }),
      ),
      note,
      place,
    );
    editor = await showEditor(place, found.plan, {
      estimate: found.estimate,
      judge: options,
      actions: [run],
      onchange: (_, { valid }) => {
        edited = true;
        if (valid !== null) run.disabled = !valid;
        note.textContent = say("edited");
      },
    });
  }

  /** While the plan is open and was not edited by hand, it follows what is typed. */
  const again = later(() => {
    if (plan.hidden || edited) return;
    try {
      if (JSON.stringify(wanted()) !== shownFor) preview();
    } catch {
      /* a file is on its way, or nothing is there */
    }
  }, 1200);
  chosen.node.addEventListener("input", again);
  chosen.node.addEventListener("change", again);
  box.field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      preview();
    }
  });

  /** A file that says how it was made can be made again: its plan is shown as any other. */
  async function readRecipe(blob) {
    if (!recipesKnown || blob.size > 64e6) return;
    const form = new FormData();
    form.append("file", blob, blob.name);
    let found;
    try {
      found = await request("/v1/recipes/read", { method: "POST", body: form });
    } catch (error) {
      recipesKnown = error.status !== 404;
      return;
    }
    if (!found.job?.plan) return;
    const line = element(
      "p",
      { class: "restore" },
      element("span", {}, say("knows", { name: blob.name })),
      found.ready
        ? button(say("restore"), {
            kind: "quiet small",
            drawing: "graph",
            onclick: async () => {
              line.remove();
              plan.hidden = false;
              await showPlan({ plan: found.job.plan }, found.job.options);
            },
          })
        : element("span", { class: "soft" }, found.notes.join(" ")),
    );
    box.node.after(line);
  }

  /** The plan of a job, to be changed and run again. */
  async function startFrom(job) {
    plan.hidden = false;
    plan.replaceChildren(element("p", { class: "soft" }, say("loading")));
    try {
      await showPlan({ plan: await get(`/v1/jobs/${encodeURIComponent(job)}/plan`) });
      edited = true;
    } catch (error) {
      plan.replaceChildren(element("div", { class: "error", role: "alert" }, ...describe(error)));
    }
  }

  const ready = element("p", { class: "tiny soft ready" });
  const examples = element(
    "div",
    { class: "row examples", role: "group", "aria-label": say("examples") },
    ...EXAMPLES[document.documentElement.lang === "zh" ? "zh" : "en"].map((text) =>
      element(
        "button",
        {
          type: "button",
          class: "quiet small",
          onclick: () => {
            box.write(text);
            box.field.focus();
          },
        },
        text,
      ),
    ),
  );
  place.append(
    element("div", { class: "column compose" }, element("h1", {}, say("ask")), box.node, chosen.node, examples, ready),
    element("div", { class: "wide" }, plan),
  );
  allTools(true)
    .then((tools) => {
      const planned = [...tools.values()].filter((tool) => tool.planned);
      ready.textContent = say("live", { count: planned.filter((tool) => tool.live).length, all: planned.length });
      chosen.fill(tools);
    })
    .catch(() => {});
  if (query.get("words")) box.write(query.get("words"));
  if (query.has("asset")) {
    box.addAssets(query.getAll("asset"));
    history.replaceState(null, "", "#/");
  }
  if (query.has("plan")) startFrom(query.get("plan"));
  else box.field.focus();
  return () => {
    again.cancel();
    closePlan();
    box.leave();
  };
}
