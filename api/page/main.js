// The page's frame: which view stands in the address, the list of what was asked lately, keys, theme, language, sign-in.
import { onUnauthorized, post, remove } from "./client.js";
import { button, element, icon } from "./dom.js";
import { startHistory } from "./history.js";
import { announce, go, key, title, undress } from "./shell.js";
import { say, spoken, switchLanguage } from "./words.js";

const ROUTES = [
  [/^\/$/, () => import("./compose.js"), "new"],
  [/^\/jobs\/(?<id>[\w-]+)$/, () => import("./job.js"), ""],
  [/^\/conversations\/(?<id>[\w-]+)$/, () => import("./conversation.js"), ""],
  [/^\/gallery$/, () => import("./gallery.js"), "gallery"],
  [/^\/assets\/(?<id>[\w-]+)$/, () => import("./asset.js"), "gallery"],
  [/^\/workflows$/, () => import("./flows.js"), "workflows"],
  [/^\/workflows\/(?<id>[\w-]+)$/, () => import("./flow_editor.js"), "workflows"],
  [/^\/models$/, () => import("./models.js"), "models"],
  [/^\/system$/, () => import("./system.js"), "system"],
];
const ROOMS = [
  ["new", "/", "pen", "n"],
  ["gallery", "/gallery", "gallery", "g"],
  ["workflows", "/workflows", "graph", "w"],
  ["models", "/models", "models", "m"],
  ["system", "/system", "system", "s"],
];
const place = document.getElementById("place"),
  side = document.getElementById("side"),
  rooms = document.getElementById("rooms");
const menu = document.getElementById("menu");
let leave = () => {},
  turn = 0;

/** Where the address points: its path and its query. */
function address() {
  const [path, query] = (location.hash.slice(1) || "/").split("?");
  return { path: path || "/", query: new URLSearchParams(query ?? "") };
}

async function route() {
  const mine = ++turn,
    { path, query } = address();
  leave();
  leave = () => {};
  closeMenu();
  place.replaceChildren();
  undress();
  title("");
  const found = ROUTES.map(([form, load, room]) => ({ at: path.match(form), load, room })).find((item) => item.at);
  showRooms(found?.room);
  window.dispatchEvent(new CustomEvent("placechange", { detail: path }));
  if (!found) return complain(say("notFound"));
  if (found.room) title(say(found.room));
  try {
    const view = await found.load();
    if (mine !== turn) return;
    const left = await view.show(place, { ...found.at.groups, query });
    if (mine !== turn) left?.();
    else leave = left ?? (() => {});
  } catch (error) {
    console.error(error);
    if (mine === turn) complain(error.message);
  }
}

function complain(words) {
  place.append(
    element(
      "div",
      { class: "empty", role: "alert" },
      element("p", {}, words),
      element("a", { class: "button quiet", href: "#/" }, say("new")),
    ),
  );
}

function showRooms(current) {
  rooms.replaceChildren(
    ...ROOMS.map(([name, path, drawing]) =>
      element(
        "li",
        {},
        element("a", { href: `#${path}`, "aria-current": name === current && "page" }, icon(drawing), element("span", {}, say(name))),
      ),
    ),
  );
}

const THEMES = ["system", "dark", "light"];
const theme = () => (THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system");

function showTheme() {
  document.documentElement.dataset.theme = theme();
}

function showFoot() {
  const name = theme();
  document.getElementById("foot").replaceChildren(
    element("a", { href: "/docs", class: "button bare quiet", title: say("docs"), "aria-label": say("docs") }, icon("external")),
    button(`${say("theme")}: ${say(`theme${name[0].toUpperCase()}${name.slice(1)}`)}`, {
      drawing: "moon",
      bare: true,
      id: "theme",
      onclick: () => {
        localStorage.setItem("theme", THEMES[(THEMES.indexOf(name) + 1) % 3]);
        showTheme();
        showFoot();
        document.getElementById("theme").focus();
      },
    }),
    button(say("shortcuts"), { drawing: "help", bare: true, onclick: showKeys }),
    localStorage.getItem("signed-in")
      ? button(say("signOut"), {
          drawing: "lock",
          bare: true,
          onclick: async () => {
            await remove("/v1/session").catch(() => {});
            localStorage.removeItem("signed-in");
            location.reload();
          },
        })
      : "",
    button(say("language"), {
      id: "language",
      lang: spoken() === "en" ? "zh" : "en",
      onclick: () => {
        switchLanguage();
        showFrame();
        route();
        document.getElementById("language").focus();
      },
    }),
  );
}

const KEYS = [
  ["keySend", "Ctrl + Enter"],
  ["keyPreview", "Ctrl + Shift + Enter"],
  ["keyWords", "/"],
  ["keyNew", "N"],
  ["keyGallery", "G"],
  ["keyWorkflows", "W"],
  ["keyModels", "M"],
  ["keySystem", "S"],
  ["keyUndo", "Ctrl + Z, Ctrl + Y"],
  ["keyDelete", "Delete"],
  ["keyMove", "← ↑ → ↓"],
  ["keyEscape", "Esc"],
  ["keyHelp", "?"],
];

function showKeys() {
  const dialog = document.getElementById("keys");
  dialog.replaceChildren(
    element("h2", { id: "keys-title" }, say("shortcuts")),
    element(
      "dl",
      {},
      ...KEYS.flatMap(([what, keys]) => [
        element("dt", {}, ...keys.split(", ").map((each) => element("kbd", {}, each))),
        element("dd", {}, say(what)),
      ]),
    ),
    element("form", { method: "dialog" }, element("button", { class: "quiet" }, say("close"))),
  );
  dialog.showModal();
}

/** Asks for a key until the service takes one. */
function askForKey() {
  const dialog = document.getElementById("sign-in");
  return new Promise((resolve, reject) => {
    const field = element("input", { id: "api-key", type: "password", autocomplete: "current-password", required: true });
    const trouble = element("p", { class: "error", role: "alert" });
    const form = element(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await post("/v1/session", { key: field.value });
            localStorage.setItem("signed-in", "yes");
            showFoot();
            dialog.close("in");
          } catch (error) {
            trouble.textContent = error.status === 401 || error.status === 403 ? say("wrongKey") : error.message;
            field.select();
          }
        },
      },
      element("label", { for: "api-key" }, say("key")),
      field,
      trouble,
      element("div", { class: "row end" }, element("button", { type: "submit" }, say("signIn"))),
    );
    dialog.replaceChildren(element("h2", { id: "sign-in-title" }, say("signIn")), element("p", { class: "soft" }, say("signInHint")), form);
    dialog.onclose = () => (dialog.returnValue === "in" ? resolve() : reject(new Error(say("signInHint"))));
    dialog.returnValue = "";
    dialog.showModal();
  });
}

function closeMenu() {
  side.classList.remove("open");
  menu.setAttribute("aria-expanded", "false");
}

function showFrame() {
  document.documentElement.lang = spoken();
  document.getElementById("skip").textContent = say("skip");
  for (const [id, words] of [
    ["menu", "menu"],
    ["fresh", "new"],
  ])
    document.getElementById(id).setAttribute("aria-label", say(words));
  document.getElementById("recent-title").textContent = say("recent");
  showRooms();
  showFoot();
}

menu.append(icon("menu"));
document.getElementById("fresh").append(icon("pen"));
menu.addEventListener("click", () => {
  menu.setAttribute("aria-expanded", String(side.classList.toggle("open")));
});
document.getElementById("veil").addEventListener("click", closeMenu);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
});
window.addEventListener("hashchange", route);
for (const [, path, , letter] of ROOMS) key(letter, () => go(path));
key("?", showKeys);
key("/", () => place.querySelector("textarea")?.focus());
onUnauthorized(askForKey);
showTheme();
showFrame();
startHistory(document.getElementById("recent"), announce);
route();
