// Pictures, sounds and videos, as a browser shows them.
import { contentUrl } from "./client.js";
import { say } from "./words.js";

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

/** A figure for `{asset, type, step?}`. */
export function figure({ asset, type, step }) {
  const source = contentUrl(asset);
  const caption = element("figcaption", {}, step ? `${step} · ` : "", element("a", { href: source, download: "" }, say("download")));
  if (type === "image") return element("figure", {}, element("img", { src: source, alt: step ?? type, class: "small", loading: "lazy" }), caption);
  if (type === "audio") return element("figure", {}, element("audio", { src: source, controls: true, preload: "metadata" }), caption);
  if (type === "video") return element("figure", {}, element("video", { src: source, controls: true, preload: "metadata" }), caption);
  return element("figure", {}, caption);
}
