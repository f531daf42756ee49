// Mixing: words, pictures and sounds with weights, added and subtracted in the shared space; what is near the sum, and what it looks like.
import { contentUrl, get, thumbnailUrl, tools } from "./client.js";
import { button, element, fill, icon } from "./dom.js";
import { draw, ended } from "./seek.js";
import { called } from "./tiles.js";
import { words } from "./words.js";

const say = words({
  en: {
    intro: "Add and subtract what things mean: a picture, plus a sound, minus some words.", addWords: "Add words", add: "Add", weight: "Weight of {name}", empty: "Add words here, or press + on a tile below. A weight below zero subtracts.",
    drawIt: "Draw this", drawing: "Drawing …", cannotDraw: "No model that is loaded here draws from a meaning.", job: "The job", again: "Draw another", clear: "Clear", most: "A mix has at most 16 parts.", flip: "Subtract or add",
  },
  zh: {
    intro: "把含义相加、相减：一张图片，加一个声音，减几个词。", addWords: "加入文字", add: "加入", weight: "{name}的权重", empty: "在此加入文字，或点下方图块上的 +。小于零的权重表示减去。",
    drawIt: "画出来", drawing: "正在画…", cannotDraw: "这里没有能按含义作画的模型。", job: "任务", again: "再画一张", clear: "清空", most: "一个混合最多 16 项。", flip: "减去或加上",
  },
});

/** The panel in `place`; `onChange(items)` after each change. Gives `add`, `clear`, `focus`. */
export function startMix(place, first, onChange) {
  let items = [];
  const rows = element("ul", { class: "mix-rows" }), formula = element("p", { class: "formula soft", "aria-hidden": "true" });
  const field = element("input", { type: "text", placeholder: say("addWords"), "aria-label": say("addWords"), maxlength: 500 });
  const result = element("div", { class: "mix-result", "aria-live": "polite" });
  const drawer = button(say("drawIt"), { drawing: "pen", kind: "", id: "draw", onclick: paint });
  const hint = element("p", { class: "soft tiny" }, say("empty"));
  place.replaceChildren(
    element("p", { class: "soft" }, say("intro")), rows, hint,
    element("div", { class: "row mix-foot" },
      element("form", { class: "row", onsubmit: (event) => { event.preventDefault(); if (field.value.trim()) { add({ text: field.value.trim(), weight: 1 }); field.value = ""; } } }, field, element("button", { class: "quiet" }, icon("plus"), say("add"))),
      formula, element("span", { class: "space" }), button(say("clear"), { onclick: () => { clear(); onChange([]); } }), drawer),
    result);

  const nameOf = (item) => item.name ?? item.text ?? item.asset;
  const changed = () => { showFormula(); onChange(items.map(({ asset, text, weight }) => ({ ...(asset ? { asset } : { text }), weight }))); };

  function showFormula() {
    hint.hidden = items.length > 0;
    drawer.disabled = !items.some((item) => item.weight);
    formula.textContent = items.filter((item) => item.weight).map((item, at) => {
      const size = Math.abs(item.weight), sign = item.weight < 0 ? "− " : at ? "+ " : "";
      return `${sign}${size === 1 ? "" : `${size} · `}${nameOf(item).slice(0, 24)}`;
    }).join(" ");
  }

  function rowOf(item) {
    const number = element("output", {}, item.weight.toFixed(2));
    const slider = element("input", { type: "range", min: -2, max: 2, step: 0.05, value: item.weight, "aria-label": say("weight", { name: nameOf(item) }) });
    const set = (weight) => {
      item.weight = Math.round(weight * 100) / 100;
      slider.value = item.weight;
      number.textContent = item.weight.toFixed(2);
      row.classList.toggle("minus", item.weight < 0);
      changed();
    };
    slider.addEventListener("input", () => set(Number(slider.value)));
    const label = element("span", { class: "words" }, nameOf(item));
    const row = element("li", { class: item.weight < 0 ? "minus" : "" },
      button(say("flip"), { bare: true, kind: "quiet sign", onclick: () => set(-item.weight) }),
      item.asset ? element("img", { src: thumbnailUrl(item.asset, 96), alt: "", width: 36, height: 36 }) : element("span", { class: "letter" }, icon("text")),
      label, slider, number,
      button(`${say("remove")}: ${nameOf(item)}`, { drawing: "close", bare: true, onclick: () => { items = items.filter((other) => other !== item); row.remove(); changed(); field.focus(); } }));
    if (item.asset && !item.name) get(`/v1/assets/${item.asset}`).then((asset) => { item.name = called(asset); label.textContent = item.name; slider.setAttribute("aria-label", say("weight", { name: item.name })); showFormula(); }).catch(() => {});
    return row;
  }

  function add(given, quietly = false) {
    if (items.length >= 16) { hint.hidden = false; hint.textContent = say("most"); return; }
    const item = { ...given };
    items.push(item);
    rows.append(rowOf(item));
    if (quietly) showFormula(); else changed();
  }

  function clear() {
    items = [];
    rows.replaceChildren();
    result.replaceChildren();
    hint.textContent = say("empty");
    showFormula();
  }

  async function paint() {
    const mix = items.filter((item) => item.weight).map(({ asset, text, weight }) => ({ ...(asset ? { asset } : { text }), weight }));
    drawer.disabled = true;
    result.shownKey = null;
    fill(result, "busy", () => element("p", { class: "soft row" }, element("i", { class: "spinner" }), say("drawing")));
    try {
      if (!(await tools(true)).get("embedding_to_image")?.live) throw new Error(say("cannotDraw"));
      const job = await ended(await draw(mix, Math.floor(Math.random() * 2 ** 31)));
      const output = job.outputs.find((item) => item.asset);
      fill(result, job.id, () => element("figure", { class: "drawn" },
        element("a", { href: `#/assets/${output.asset}` }, element("img", { src: contentUrl(output.asset), alt: formula.textContent })),
        element("figcaption", { class: "row" }, element("a", { href: `#/jobs/${job.id}` }, say("job")), button(say("again"), { drawing: "again", kind: "quiet small", onclick: paint }))));
    } catch (error) {
      fill(result, `trouble ${Date.now()}`, () => element("p", { class: "error", role: "alert" }, error.message));
    } finally {
      showFormula();
    }
  }

  for (const item of first) add(item, true);
  showFormula();
  return { add, clear, focus: () => field.focus() };
}
