// Making elements, and the small things around them that every view needs.

/** An element; `on…` attributes are listeners, `undefined`, `null` and `false` leave an attribute or a child out. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const DRAWINGS = {
  play: "M8 5l11 7-11 7z", like: "M9 9h10v10H9zM5 15V5h10", search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4", upload: "M12 16V5M7 9l5-5 5 5M5 20h14",
  plus: "M12 5v14M5 12h14", close: "M6 6l12 12M18 6 6 18", send: "M5 12h14M13 6l6 6-6 6", stop: "M7 7h10v10H7z",
  clip: "M20 11.5 12.2 19a5 5 0 0 1-7-7l8.3-8.2a3.4 3.4 0 0 1 4.8 4.8L10 16.8a1.7 1.7 0 0 1-2.4-2.4l7.3-7.2",
  microphone: "M12 4a3 3 0 0 1 3 3v4a3 3 0 0 1-6 0V7a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v3",
  options: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4", graph: "M4 5h6v5H4zM14 14h6v5h-6zM7 10v6.5h7M10 7.5h7V14",
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3", gallery: "M4 5h16v14H4zM4 16l4.5-5 4 4 2.5-2.5L20 17M15.5 9h.01",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9", system: "M3 12h4l3-7 4 14 3-7h4",
  menu: "M4 7h16M4 12h16M4 17h16", again: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4", copy: "M9 9h10v10H9zM15 9V5H5v10h4",
  fork: "M7 4v9a4 4 0 0 0 4 4h6M14 14l3 3-3 3M7 8h6", link: "M10 14a4 4 0 0 0 6 0l2.5-2.5a4 4 0 0 0-6-6L11 7M14 10a4 4 0 0 0-6 0l-2.5 2.5a4 4 0 0 0 6 6L13 17",
  undo: "M9 7L4 11l5 4M4 11h10a5 5 0 0 1 0 10h-3", redo: "M15 7l5 4-5 4M20 11H10a5 5 0 0 0 0 10h3", tidy: "M4 5h5v5H4zM15 5h5v5h-5zM15 14h5v5h-5zM9 7.5h6M12 7.5v9h3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", check: "M5 13l4 4L19 7", down: "M6 9l6 6 6-6", left: "M15 6l-6 6 6 6", right: "M9 6l6 6-6 6",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14", clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2", full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  text: "M5 6h14M12 6v13M9 19h6", image: "M4 5h16v14H4zM4 16l4.5-5 4 4 2.5-2.5L20 17M15.5 9h.01", audio: "M4 10v4M8 7v10M12 4v16M16 8v8M20 11v2",
  video: "M4 6h11v12H4zM15 11l5-3v8l-5-3", embedding: "M12 3v18M3 12h18M6 6l12 12M18 6 6 18", data: "M8 4c-3 0-2 4-2 6s-2 2-2 2 2 0 2 2-1 6 2 6M16 4c3 0 2 4 2 6s2 2 2 2-2 0-2 2 1 6-2 6",
  mesh: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9", help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.01", moon: "M19 14A8 8 0 1 1 10 5a6.5 6.5 0 0 0 9 9z",
  external: "M14 5h5v5M19 5l-8 8M17 14v5H5V7h5", lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
};

/** A line drawing, decorative: name the button that holds it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", DRAWINGS[name] ?? DRAWINGS.data);
  svg.append(path);
  return svg;
}

/** A button with words, a drawing, or both; without visible words they become its label. */
export function button(words, { drawing, bare = false, kind = "quiet", ...attributes } = {}) {
  const named = bare ? { "aria-label": words, title: words } : {};
  return element("button", { type: "button", class: `${kind}${bare ? " bare" : ""}`, ...named, ...attributes }, drawing && icon(drawing), !bare && element("span", {}, words));
}

/** Calls `work` once, `ms` after the last call. */
export function later(work, ms) {
  let timer;
  const soon = (...given) => { clearTimeout(timer); timer = setTimeout(work, ms, ...given); };
  soon.cancel = () => clearTimeout(timer);
  return soon;
}

/** Fills `place` by `build()` when `key` differs from the last one, so that players go on playing and fields keep their focus. */
export function fill(place, key, build) {
  const text = typeof key === "string" ? key : JSON.stringify(key);
  if (place.shownKey === text) return false;
  place.shownKey = text;
  place.replaceChildren(...[build()].flat().filter((child) => child !== undefined && child !== null && child !== false));
  return true;
}
