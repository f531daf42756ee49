// The tools to choose from, searchable; they can be clicked, dragged into a graph, or reached with the arrow keys.
import { element, icon } from "./dom.js";
import { kindOf } from "./plan_edits.js";
import { plain, words } from "./words.js";

const say = words({ en: { tool: "Tool", notServed: "not served now" }, zh: { tool: "工具", notServed: "当前未提供" } });
let number = 0;

/** A searchable list of tools; `onPick(tool)`. */
export function palette(tools, onPick) {
  const field = element("input", {
    type: "search",
    id: `palette-${++number}`,
    placeholder: say("tool"),
    "aria-label": say("tool"),
    autocomplete: "off",
  });
  const list = element("ul", { class: "palette" });
  const show = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...tools.values()]
      .filter((tool) => tool.planned && wanted.every((word) => `${plain(tool.name)} ${tool.about}`.toLowerCase().includes(word)))
      .sort((a, b) => Number(b.live) - Number(a.live));
    list.replaceChildren(
      ...found.map((tool) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              class: "quiet",
              draggable: "true",
              onclick: () => onPick(tool),
              ondragstart: (event) => {
                event.dataTransfer.setData("application/x-medley-tool", tool.name);
                event.dataTransfer.effectAllowed = "copy";
              },
            },
            element("span", { class: `kind ${kindOf(Object.values(tool.outputs)[0])}` }, icon(kindOf(Object.values(tool.outputs)[0]))),
            element(
              "span",
              { class: "words" },
              element("b", {}, plain(tool.name)),
              element("span", { class: "tiny soft" }, tool.live ? tool.about : `${say("notServed")} · ${tool.about}`),
            ),
          ),
        ),
      ),
    );
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      list.querySelector("button")?.click();
    }
    if (event.key === "ArrowDown") {
      event.preventDefault();
      list.querySelector("button")?.focus();
    }
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step) return;
    event.preventDefault();
    (event.target.closest("li")?.[step]?.querySelector("button") ?? field).focus();
  });
  show();
  return { node: element("div", { class: "picker" }, field, list), field };
}
