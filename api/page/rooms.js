// What the rooms (gallery, workflows, models, system) share: small measures, questions, tabs.
import { button, element } from "./dom.js";
import { say } from "./words.js";

/** Asks before something is done; resolves to whether it was wanted. */
export function ask(title, body, act, { danger = false, able = true } = {}) {
  return new Promise((resolve) => {
    const dialog = element("dialog", { "aria-labelledby": "ask-title", onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      element("h2", { id: "ask-title" }, title), element("div", { class: "ask-body" }, ...[body].flat()),
      element("form", { method: "dialog" }, element("div", { class: "row end" },
        element("button", { class: "quiet", value: "no" }, say("cancel")), able && element("button", { class: danger ? "quiet danger" : "", value: "yes" }, act))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A bar that shows `value` of `most`, with words for those who do not see it. */
export function meter(value, most, label) {
  const share = most ? Math.min(1, value / most) : 0;
  return element("span", { class: share > 0.9 ? "meter full" : "meter", role: "meter", "aria-valuenow": value, "aria-valuemin": 0, "aria-valuemax": most, "aria-valuetext": label, "aria-label": label },
    element("i", { style: `width:${(share * 100).toFixed(1)}%` }));
}

/** A row of tabs over `[[name, words]]`; `onPick(name)`. Arrow keys go from one to the next. */
export function tabs(names, chosen, onPick, label) {
  const list = element("div", { class: "tabs", role: "tablist", "aria-label": label });
  const pick = (name, focus) => {
    for (const tab of list.children) {
      const mine = tab.dataset.name === name;
      tab.setAttribute("aria-selected", String(mine));
      tab.tabIndex = mine ? 0 : -1;
      if (mine && focus) tab.focus();
    }
    onPick(name);
  };
  list.append(...names.map(([name, text]) => element("button", { type: "button", role: "tab", "data-name": name, "aria-selected": String(name === chosen), tabindex: name === chosen ? 0 : -1, onclick: () => pick(name) }, text)));
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = names.findIndex(([name]) => name === list.querySelector("[aria-selected=true]").dataset.name);
    pick(names[(at + by + names.length) % names.length][0], true);
  });
  return list;
}

/** A message with a button that tries once more. */
export const trouble = (error, again) => element("div", { class: "trouble row", role: "alert" }, element("span", {}, error.message), element("span", { class: "space" }), again && button(say("retry"), { onclick: again }));
