// Assets as tiles: a picture, a waveform that plays, a film that moves under the pointer; arrows go from one to the next.
import { contentUrl, thumbnailUrl } from "./client.js";
import { button, element, icon } from "./dom.js";
import { EMBEDDABLE } from "./seek.js";
import { duration, plain, words } from "./words.js";

const say = words({
  en: { like: "More like this", mix: "Add to the mix", useIt: "Use as input", play: "Play", pause: "Pause", score: "Similarity {score}" },
  zh: { like: "更多类似的", mix: "加入混合", useIt: "用作输入", play: "播放", pause: "暂停", score: "相似度 {score}" },
});

const PICTURED = new Set(["image", "audio", "video"]);
const sound = new Audio();
let playing = null;

sound.addEventListener("ended", hush);

/** Stops the sound that a tile plays. */
export function hush() {
  sound.pause();
  playing?.setAttribute("aria-label", say("play"));
  playing?.replaceChildren(icon("play"));
  playing = null;
}

function play(asset, knob) {
  const again = playing === knob;
  hush();
  if (again) return;
  playing = knob;
  knob.setAttribute("aria-label", say("pause"));
  knob.replaceChildren(icon("stop"));
  sound.src = contentUrl(asset.id);
  sound.play().catch(hush);
}

/** What an asset is called where there is little room. */
export const called = (asset) => asset.origin.words ?? asset.name ?? (asset.origin.tool ? plain(asset.origin.tool) : say(asset.modality));

function face(asset) {
  if (!PICTURED.has(asset.modality)) return element("span", { class: "plainly" }, icon(asset.modality), element("span", {}, say(asset.modality)));
  const picture = element("img", { src: thumbnailUrl(asset.id, 320), alt: "", loading: "lazy", draggable: "false" });
  picture.addEventListener("error", () => picture.replaceWith(element("span", { class: "plainly" }, icon(asset.modality))), { once: true });
  return picture;
}

function move(asset, link) {
  let film = null;
  link.addEventListener("pointerenter", () => {
    if (film || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    film = element("video", { src: contentUrl(asset.id), muted: true, loop: true, playsinline: true, "aria-hidden": "true" });
    film.muted = true;
    film.addEventListener("canplay", () => film?.classList.add("shown"), { once: true });
    link.append(film);
    film.play().catch(() => {});
  });
  link.addEventListener("pointerleave", () => { film?.remove(); film = null; });
}

/** One tile. `score` and `span` of a search are shown; `onLike` and `onMix` get the asset. */
export function tileOf(asset, { score, span, onLike, onMix } = {}) {
  const name = called(asset), link = element("a", { class: "face", href: `#/assets/${asset.id}`, "aria-label": `${say(asset.modality)}: ${name}` }, face(asset));
  if (asset.modality === "video") move(asset, link);
  const knob = asset.modality === "audio" && button(say("play"), { drawing: "play", bare: true, kind: "knob", onclick: (event) => play(asset, event.currentTarget) });
  const able = EMBEDDABLE.has(asset.modality) && asset.modality !== "text";
  const seconds = asset.facts.seconds;
  return element("li", { class: `tile-of ${asset.modality}`, "data-asset": asset.id },
    link, knob,
    seconds && element("span", { class: "badge" }, span ? `${duration(span.start)} – ${duration(span.end)}` : duration(seconds)),
    score !== undefined && element("span", { class: "badge score", title: say("score", { score: score.toFixed(3) }) }, score.toFixed(2).replace(/^-(?=0\.00$)/, "")),
    element("span", { class: "name", "aria-hidden": "true" }, name),
    element("span", { class: "acts" },
      able && onLike && button(say("like"), { drawing: "like", bare: true, onclick: () => onLike(asset) }),
      able && onMix && button(say("mix"), { drawing: "plus", bare: true, onclick: () => onMix(asset) }),
      element("a", { class: "button quiet bare", href: `#/?asset=${asset.id}`, "aria-label": say("useIt"), title: say("useIt") }, icon("fork"))));
}

/** Arrow keys in `list` move the focus between its tiles, rows included. */
export function walk(list) {
  list.addEventListener("keydown", (event) => {
    const faces = [...list.querySelectorAll("a.face")], at = faces.indexOf(event.target);
    if (at < 0) return;
    const top = faces[0].getBoundingClientRect().top;
    const columns = Math.max(1, faces.findIndex((item) => item.getBoundingClientRect().top > top + 4));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: faces.length - 1 }[event.key];
    if (to === undefined || !faces[to]) return;
    event.preventDefault();
    faces[to].focus();
  });
}
