// Forms out of JSON Schemas: a field for each parameter, with its range, its default and what is wrong with it.
import { button, element } from "./dom.js";
import { plain, words } from "./words.js";

const say = words({
  en: { byDefault: "default", unset: "not set", reset: "Back to the default", list: "separated by commas", json: "JSON", yes: "yes" },
  zh: { byDefault: "默认", unset: "未设置", reset: "恢复默认", list: "用逗号分隔", json: "JSON", yes: "是" },
});
let number = 0;

/** The schema behind `$ref`, and behind `anyOf` with null. */
function resolve(schema, root) {
  let found = schema;
  if (found.$ref) found = { ...(root.$defs ?? {})[found.$ref.split("/").at(-1)], ...found, $ref: undefined };
  if (found.anyOf) {
    const kind = found.anyOf.find((one) => one.type !== "null") ?? {};
    found = { ...found, ...resolve(kind, root), anyOf: undefined, optional: found.anyOf.some((one) => one.type === "null") };
  }
  return found;
}

const shown = (value) => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

function readList(text, schema, root) {
  const kind = resolve(schema.items ?? {}, root).type;
  return text
    .split(/[,，]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => (kind === "number" || kind === "integer" ? Number(part) : part));
}

/** One field: `{input, extra?}`; `set(value)` with undefined means: as by default. */
function control(schema, root, value, set, attributes) {
  if (schema.enum) {
    const first = element(
      "option",
      { value: "" },
      schema.default !== undefined && schema.default !== null ? `${say("byDefault")}: ${schema.default}` : say("unset"),
    );
    const input = element(
      "select",
      { ...attributes, onchange: () => set(input.value === "" ? undefined : schema.enum.find((one) => String(one) === input.value)) },
      first,
      ...schema.enum.map((one) => element("option", { value: String(one) }, String(one))),
    );
    input.value = shown(value);
    return { input };
  }
  if (schema.type === "boolean") {
    const input = element("input", { ...attributes, type: "checkbox", onchange: () => set(input.checked) });
    input.checked = value ?? schema.default ?? false;
    return { input };
  }
  if (schema.type === "integer" || schema.type === "number") {
    const least = schema.minimum ?? schema.exclusiveMinimum,
      most = schema.maximum ?? schema.exclusiveMaximum,
      step = schema.type === "integer" ? 1 : "any";
    const input = element("input", {
      ...attributes,
      type: "number",
      min: least,
      max: most,
      step,
      value: shown(value),
      placeholder: shown(schema.default),
      inputmode: schema.type === "integer" ? "numeric" : "decimal",
      oninput: () => {
        const given = input.value === "" ? undefined : Number(input.value);
        if (slider && given !== undefined) slider.value = given;
        set(given);
      },
    });
    const ranged = least !== undefined && most !== undefined && most - least <= 10_000;
    const slider = ranged
      ? element("input", {
          type: "range",
          min: least,
          max: most,
          step: schema.type === "integer" ? 1 : (most - least) / 200,
          value: shown(value ?? schema.default ?? least),
          "aria-label": attributes["data-name"],
          tabindex: -1,
          "aria-hidden": "true",
          oninput: () => {
            input.value = slider.value;
            set(Number(slider.value));
          },
        })
      : null;
    return { input, extra: slider };
  }
  if (schema.type === "array") {
    const input = element("input", {
      ...attributes,
      value: (value ?? []).join(", "),
      placeholder: schema.default ? shown(schema.default) : say("list"),
      oninput: () => set(input.value.trim() ? readList(input.value, schema, root) : undefined),
    });
    return { input };
  }
  if (schema.type === "object" || !schema.type) {
    const input = element("textarea", {
      ...attributes,
      rows: 2,
      value: shown(value),
      placeholder: say("json"),
      oninput: () => {
        try {
          set(input.value.trim() ? JSON.parse(input.value) : undefined);
          input.removeAttribute("aria-invalid");
        } catch {
          input.setAttribute("aria-invalid", "true");
        }
      },
    });
    return { input };
  }
  const long = (schema.maxLength ?? 0) > 120;
  const input = element(long ? "textarea" : "input", {
    ...attributes,
    ...(long ? { rows: 2 } : {}),
    value: shown(value),
    placeholder: shown(schema.default),
    maxlength: schema.maxLength,
    oninput: () => set(input.value === "" ? undefined : input.value),
  });
  return { input };
}

/** One labelled field. `faults`: `[{reason, suggestion}]`. */
export function schemaField(name, schema, value, set, { root = {}, faults = [], key = name } = {}) {
  const found = resolve(schema, root),
    id = `field-${++number}`;
  const about = found.description ?? "",
    range = rangeOf(found);
  const { input, extra } = control(found, root, value, set, {
    id,
    "data-name": plain(name),
    "data-key": key,
    "aria-invalid": faults.length ? "true" : null,
    "aria-describedby": `${id}-about`,
  });
  return element(
    "div",
    { class: `field${found.type === "boolean" ? " inline" : ""}`, "data-fault": key },
    element("label", { for: id }, plain(name)),
    element("div", { class: "inputs" }, input, extra),
    element("p", { class: "tiny soft", id: `${id}-about` }, faultSpot(faults), [about, range].filter(Boolean).join(" ")),
  );
}

function rangeOf(schema) {
  if (schema.type !== "integer" && schema.type !== "number") return "";
  const least = schema.minimum ?? schema.exclusiveMinimum,
    most = schema.maximum ?? schema.exclusiveMaximum;
  if (least === undefined && most === undefined) return "";
  return `${least ?? ""}–${most !== undefined && most < 1e15 ? most : ""}`;
}

/** Where the faults of one field stand. */
export const faultSpot = (faults) => element("span", { class: "fault-spot" }, ...faults.map(faultText));

/** Shows faults beside the fields that are there, without drawing these anew. `of(key)` gives the faults of a field. */
export function showFaults(root, of) {
  for (const field of root.querySelectorAll("[data-fault]")) {
    const faults = of(field.dataset.fault);
    field.querySelector(".fault-spot").replaceChildren(...faults.map(faultText));
    for (const input of field.querySelectorAll("input, select, textarea")) {
      if (faults.length) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
}

/** A fault beside its field: what is wrong, and what would work. */
export function faultText({ reason, suggestion }) {
  return element("span", { class: "fault" }, `${reason} `, suggestion && element("b", {}, suggestion));
}

/** Fields for all properties of an object schema. `onchange(values)` gets a new object without what stands at its default. */
export function schemaForm(schema, values, onchange, { faults = {}, extra = {} } = {}) {
  let now = { ...values };
  const set = (name) => (value) => {
    now = { ...now };
    if (value === undefined) delete now[name];
    else now[name] = value;
    onchange(now);
  };
  const properties = { ...schema.properties, ...extra };
  const fields = Object.entries(properties).map(([name, one]) =>
    schemaField(name, one, now[name], set(name), { root: schema, faults: faults[name] ?? [], key: `params.${name}` }),
  );
  const reset =
    Object.keys(now).length > 0 &&
    Object.keys(properties).length > 0 &&
    button(say("reset"), { kind: "quiet small", onclick: () => onchange({}, { redraw: true }) });
  return element("div", { class: "form" }, ...fields, reset);
}
