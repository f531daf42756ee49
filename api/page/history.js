// What was asked lately: conversations by their newest job, other jobs by themselves; alive through the stream of all jobs.
import { get, listen, thumbnailUrl } from "./client.js";
import { element, icon, later } from "./dom.js";
import { moment, say } from "./words.js";

const PICTURED = new Set(["image", "video", "audio"]);

const placeOf = (job) => (job.conversation ? `/conversations/${job.conversation}` : `/jobs/${job.id}`);
const wordsOf = (job) =>
  job.input.find((part) => part.type === "text" && part.text)?.text ?? job.plan?.steps[0]?.tool.replaceAll("_", " ") ?? job.id;

/** The picture that stands for a job: the newest one it made, else one that it was given. */
function pictureOf(job) {
  const made = job.outputs.findLast?.((output) => output.asset && PICTURED.has(output.type));
  const given = job.input.find((part) => part.type === "asset" && PICTURED.has(part.modality));
  const asset = made?.asset ?? given?.asset;
  return asset
    ? element("img", { src: thumbnailUrl(asset, 64), alt: "", loading: "lazy", width: 32, height: 32 })
    : element("span", { class: "nothing" }, icon("text"));
}

/** Keeps the list in `place` up to date. */
export function startHistory(place) {
  const jobs = new Map();
  let more = false;

  const render = later(() => {
    const newest = [...jobs.values()].filter((job) => !job.options.dry_run && job.metadata?.openai !== "search").sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
    const shown = new Map();
    for (const job of newest) {
      // the oldest words name a conversation, its newest job gives the state
      const known = shown.get(placeOf(job));
      shown.set(placeOf(job), { job: known?.job ?? job, words: wordsOf(job) });
    }
    const here = location.hash.slice(1).split("?")[0];
    const rows = [...shown].map(([path, { job, words }]) =>
      element(
        "li",
        {},
        element(
          "a",
          { href: `#${path}`, "aria-current": (path === here || here === `/jobs/${job.id}`) && "page" },
          pictureOf(job),
          element("span", { class: "words" }, words),
          element(
            "span",
            { class: `note state ${job.status}` },
            element("i", { class: "dot" }),
            `${say(job.status)} · ${moment(job.created_at)}`,
          ),
        ),
      ),
    );
    place.replaceChildren(...rows);
    if (more)
      place.append(
        element("li", {}, element("button", { type: "button", class: "quiet", onclick: () => load(newest.at(-1)?.id) }, say("older"))),
      );
  }, 30);

  async function load(after) {
    const page = await get(`/v1/jobs?limit=30${after ? `&after=${after}` : ""}`);
    for (const job of page.data) jobs.set(job.id, job);
    more = page.has_more;
    render();
  }

  const wanted = new Set();
  const fetchWanted = later(async () => {
    const ids = [...wanted];
    wanted.clear();
    for (const id of ids) {
      try {
        jobs.set(id, await get(`/v1/jobs/${id}`));
      } catch (error) {
        if (error.status === 404) jobs.delete(id);
      }
    }
    render();
  }, 250);

  let unlisten = () => {};
  /** Listens while somebody can look: browsers open few connections to one host, and each begins with a snapshot anyway. */
  function hear() {
    unlisten();
    unlisten = document.hidden
      ? () => {}
      : listen("/v1/events", (name, data) => {
          if (name === "snapshot") for (const job of data.data) jobs.set(job.id, job);
          else if (name.startsWith("job.") && data.job) {
            wanted.add(data.job);
            fetchWanted();
          }
          if (name === "snapshot") render();
        });
  }

  load().catch(() => {});
  hear();
  document.addEventListener("visibilitychange", hear);
  window.addEventListener("placechange", render);
}
