// What views ask of the page around them: to go somewhere, to say something, to answer keys.

/** Opens a place, such as `/jobs/job_…`. */
export function go(path, { replace = false } = {}) {
  if (replace) location.replace(`#${path}`);
  else location.hash = `#${path}`;
}

/** Says something to screen readers; the same words are not said twice in a row. */
export function announce(words) {
  const place = document.getElementById("news");
  if (place.textContent !== words) place.textContent = words;
}

let base = "Medley", mark = "";

function showTitle() { document.title = `${mark}${base}`; }

/** The title of the open view. */
export function title(words) {
  base = words ? `${words} · Medley` : "Medley";
  showTitle();
}

/** Marks the window's title while nobody looks at it; looking clears the mark. */
export function notify(words) {
  if (!document.hidden && document.hasFocus()) return;
  mark = `(${words}) `;
  showTitle();
}

for (const happened of ["focus", "visibilitychange"]) {
  window.addEventListener(happened, () => { if (!document.hidden) { mark = ""; showTitle(); } });
}

const bindings = new Map();

/** Binds a key outside of text fields, such as `n`, until the returned function is called. */
export function key(name, work) {
  bindings.set(name, work);
  return () => { if (bindings.get(name) === work) bindings.delete(name); };
}

window.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const work = bindings.get(event.key);
  if (work) { event.preventDefault(); work(event); }
});

const notes = new Set();

/** A short message at the window's edge. */
export function toast(words, { bad = false } = {}) {
  const note = document.createElement("p");
  note.className = bad ? "toast bad" : "toast";
  note.textContent = words;
  document.getElementById("toasts").append(note);
  notes.add(note);
  setTimeout(() => { note.remove(); notes.delete(note); }, bad ? 9000 : 3500);
}

/** Copies words; says so. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // no permission, or not a secure place
    const field = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast(said);
  announce(said);
}

const SHEETS = ["work.css", "rooms.css", "flows.css", "graph.css"];  // in this order, whichever was opened first
const links = new Map();

/** Puts on a view's own stylesheet until the view is left; resolves when its rules are there. */
export function styles(href) {
  const known = links.get(href);
  if (known) {
    known.wanted = true;
    if (known.link.sheet) known.link.sheet.disabled = false;
    return known.there;
  }
  const link = document.createElement("link"), entry = { link, wanted: true };
  entry.there = new Promise((resolve) => {
    link.onload = () => { link.sheet.disabled = !entry.wanted; resolve(); };
    link.onerror = resolve;
  });
  links.set(href, entry);
  Object.assign(link, { rel: "stylesheet", href });
  const next = SHEETS.slice(SHEETS.indexOf(href) + 1).map((name) => links.get(name)?.link).find(Boolean);
  document.head.insertBefore(link, next ?? null);
  return entry.there;
}

/** Takes off the stylesheets of the view that was left, so that no view looks otherwise after another one. */
export function undress() {
  for (const entry of links.values()) {
    entry.wanted = false;
    if (entry.link.sheet) entry.link.sheet.disabled = true;
  }
}
