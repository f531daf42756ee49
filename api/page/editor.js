// The graph with its tools: add, undo, tidy, the steps as a list, the chosen step as a form, and the gate's word on every change.
import { post, tools as allTools } from "./client.js";
import { button, element, later } from "./dom.js";
import { showFaults } from "./forms.js";
import { showGraph } from "./graph.js";
import { faultsOf, inspectStep, palette } from "./inspector.js";
import { placeOf } from "./plan_edits.js";
import { announce } from "./shell.js";
import { duration, plain, words } from "./words.js";

const say = words({
  en: {
    add: "Add step",
    undo: "Undo",
    redo: "Redo",
    tidy: "Tidy up",
    steps: "Steps",
    inspect: "Step {id}",
    estimate: "about {p50}, rarely over {p90}",
    basis: "from {count} earlier steps",
    unknown: "no earlier runs to judge the time by",
    memory: "largest model {gb} GB",
    reused: "{count} reused",
    judging: "checking …",
    fine: "can run",
    wrong: "{count} to put right",
    empty: "Add a first step.",
    gpu: "{seconds} on the accelerator",
  },
  zh: {
    add: "添加步骤",
    undo: "撤销",
    redo: "重做",
    tidy: "整理",
    steps: "步骤",
    inspect: "步骤 {id}",
    estimate: "约 {p50}，很少超过 {p90}",
    basis: "依据此前 {count} 个步骤",
    unknown: "没有可供估时的历史",
    memory: "最大模型 {gb} GB",
    reused: "复用 {count} 个",
    judging: "检查中…",
    fine: "可以运行",
    wrong: "{count} 处需要修正",
    empty: "添加第一个步骤。",
    gpu: "加速器 {seconds}",
  },
});

/** What a plan would take, as chips. */
export function priceOf(estimate) {
  if (!estimate) return [];
  const time = estimate.seconds
    ? say("estimate", { p50: duration(estimate.seconds.p50), p90: duration(estimate.seconds.p90) })
    : say("unknown");
  return [
    element("span", { class: "chip price" }, time),
    estimate.gpu_seconds && element("span", { class: "chip" }, say("gpu", { seconds: duration(estimate.gpu_seconds.p50) })),
    estimate.cached.length > 0 && element("span", { class: "chip" }, say("reused", { count: estimate.cached.length })),
    estimate.peak_memory_bytes && element("span", { class: "chip" }, say("memory", { gb: (estimate.peak_memory_bytes / 1e9).toFixed(2) })),
    estimate.seconds && estimate.basis > 0 && element("span", { class: "tiny soft" }, say("basis", { count: estimate.basis })),
  ].filter(Boolean);
}

/**
 * An editor for `plan` in `place`. `judge(plan)` gives `{estimate}` or throws a ServiceError whose `errors` point into the plan;
 * by default it is the dry run. `onchange(plan, {valid})` is called for each change and again when it was judged.
 */
export async function showEditor(
  place,
  plan,
  { inputs = null, judge, estimate = null, states = null, onchange = () => {}, actions = [] } = {},
) {
  const tools = await allTools();
  const options = typeof judge === "object" ? judge : {};
  const ask = typeof judge === "function" ? judge : (wanted) => post("/v1/plans", { plan: wanted, options });
  let faults = [],
    number = 0,
    gone = false;
  const verdict = element("div", { class: "row verdict" }),
    outline = element("ol", { class: "outline", "aria-label": say("steps") });
  const picker = palette(tools, (tool) => {
    const id = graph.add(tool);
    adding.hidden = true;
    add.setAttribute("aria-expanded", "false");
    openInspector(id, true);
  });
  const adding = element("div", { class: "card", hidden: true }, picker.node);
  const add = button(say("add"), {
    drawing: "plus",
    kind: "quiet small",
    "aria-expanded": "false",
    onclick: () => {
      adding.hidden = !adding.hidden;
      add.setAttribute("aria-expanded", String(!adding.hidden));
      if (!adding.hidden) picker.field.focus();
    },
  });
  const undo = button(say("undo"), { drawing: "undo", bare: true, onclick: () => graph.undo() }),
    redo = button(say("redo"), { drawing: "redo", bare: true, onclick: () => graph.redo() });
  const inspector = element("section", { class: "inspector", hidden: true });
  const canvas = element("div", {}),
    sides = element("div", { class: "sides" }, canvas, inspector);
  const root = element(
    "div",
    { class: "editor" },
    element(
      "div",
      { class: "row tools" },
      add,
      undo,
      redo,
      button(say("tidy"), { drawing: "tidy", bare: true, onclick: () => graph.tidy() }),
      element("span", { class: "space" }),
      ...actions,
    ),
    adding,
    sides,
    outline,
    verdict,
  );
  place.append(root);

  function openInspector(id, focus = false) {
    const keep = document.activeElement?.dataset?.key,
      held = inspector.contains(document.activeElement);
    inspector.hidden = !id;
    sides.classList.toggle("open", Boolean(id));
    inspector.setAttribute("aria-label", id ? say("inspect", { id }) : "");
    inspector.replaceChildren(
      ...(id
        ? [
            element(
              "div",
              { class: "row" },
              element("h2", {}, say("inspect", { id })),
              element("span", { class: "space" }),
              button(say("close"), {
                drawing: "close",
                bare: true,
                onclick: () => {
                  graph.select(null);
                  outline.querySelector("button")?.focus();
                },
              }),
            ),
            ...inspectStep(
              { plan: graph.plan(), id, tools, inputs: inputs ?? {}, faults: placed().filter((fault) => fault.at.step === id) },
              (next, { redraw, select } = {}) => {
                quiet = !redraw;
                graph.edit(() => next, select === undefined ? {} : { select });
                quiet = false;
              },
            ),
          ]
        : []),
    );
    if (focus) inspector.querySelector("select, input, textarea")?.focus();
    else if (held && keep) inspector.querySelector(`[data-key="${CSS.escape(keep)}"]`)?.focus();
  }

  const placed = () => faults.map((fault) => ({ ...fault, at: placeOf(fault.pointer, graph.plan()) })).filter((fault) => fault.at);

  function showOutline() {
    const chosen = graph.chosen(),
      at = placed();
    outline.replaceChildren(
      ...graph.plan().steps.map((step) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              class: `quiet small${at.some((fault) => fault.at.step === step.id) ? " danger" : ""}`,
              "data-key": `outline.${step.id}`,
              "aria-pressed": String(step.id === chosen),
              onclick: () => {
                graph.select(step.id);
                inspector.querySelector("select")?.focus();
              },
            },
            `${step.id} · ${plain(step.tool)}`,
          ),
        ),
      ),
    );
    undo.disabled = !graph.canUndo();
    redo.disabled = !graph.canRedo();
  }

  function showVerdict(content, bad = false) {
    verdict.classList.toggle("error", bad);
    verdict.replaceChildren(...content);
  }

  const look = later(async () => {
    const mine = ++number,
      wanted = graph.plan();
    if (!wanted.steps.length) return showVerdict([say("empty")]);
    try {
      const found = await ask(wanted);
      if (mine !== number || gone) return;
      faults = [];
      showVerdict([element("span", { class: "state succeeded" }, say("fine")), ...priceOf(found.estimate)]);
      announce(say("fine"));
      onchange(wanted, { valid: true, judged: found });
    } catch (error) {
      if (mine !== number || gone) return;
      faults = error.errors?.length ? error.errors : [];
      const rest = faults.filter((fault) => !placeOf(fault.pointer, wanted));
      showVerdict(
        [
          element("span", {}, faults.length ? say("wrong", { count: faults.length }) : error.message),
          ...rest.map((fault) => element("span", { class: "tiny" }, `${fault.pointer} ${fault.reason} ${fault.suggestion ?? ""}`)),
        ],
        true,
      );
      announce([faults.length ? say("wrong", { count: faults.length }) : error.message, faults[0]?.reason].filter(Boolean).join(": "));
      onchange(wanted, { valid: false, error });
    }
    graph.update({ faults });
    showOutline();
    const open = graph.chosen(),
      own = placed().filter((fault) => fault.at.step === open);
    showFaults(inspector, (key) => faultsOf(own, key));
  }, 350);

  let quiet = false; // while a field of the form is typed in, the form is not drawn anew
  const graph = showGraph(canvas, plan, {
    editable: true,
    tools,
    inputs,
    states,
    keys: root,
    onselect: (id) => {
      if (!quiet) openInspector(id);
      showOutline();
    },
    onchange: (next) => {
      onchange(next, { valid: null });
      showVerdict([element("span", { class: "soft" }, say("judging"))]);
      showOutline();
      look();
    },
  });
  showOutline();
  if (estimate) showVerdict([element("span", { class: "state succeeded" }, say("fine")), ...priceOf(estimate)]);
  else look();

  return {
    graph,
    node: root,
    plan: () => graph.plan(),
    judge: look,
    update(changes) {
      if ("inputs" in changes) inputs = changes.inputs;
      graph.update(changes);
      showOutline();
      if (changes.plan) {
        faults = [];
        look();
        openInspector(graph.chosen());
      }
    },
    leave() {
      gone = true;
      look.cancel();
      graph.leave();
      root.remove();
    },
  };
}
