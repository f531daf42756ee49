// The page: a form, the job that is open (its id stands in the address), and the list of jobs.
import { listJobs } from "./client.js";
import { showExamples, startCompose } from "./compose.js";
import { showJob } from "./job.js";
import { element } from "./media.js";
import { say, switchLanguage, translate } from "./words.js";

const article = document.getElementById("job");
const list = document.getElementById("jobs");
const older = document.getElementById("older");
let jobs = [], more = false, leave = () => {};

const openId = () => location.hash.match(/^#\/jobs\/(job_[0-9a-f]+)$/)?.[1];
const open = (id) => { location.hash = `#/jobs/${id}`; };

function showList() {
  const current = openId();
  list.replaceChildren(...jobs.map((job) => element("li", {}, element("a", { href: `#/jobs/${job.id}`, "aria-current": job.id === current && "true" },
    element("span", { class: `state ${job.status}`, title: say(job.status) }, element("span", { class: "dot", style: "display:inline-block" })),
    element("span", { class: "words" }, job.input?.find((part) => part.type === "text")?.text ?? job.workflow ?? job.id),
    element("time", { datetime: job.created_at }, `${new Date(job.created_at).toLocaleTimeString()} · ${say(job.status)}`)))));
  older.hidden = !more;
}

async function loadJobs(after) {
  const page = await listJobs(after);
  jobs = after ? [...jobs, ...page.data] : page.data;
  more = page.has_more;
  showList();
}

function remember(job) {
  const place = jobs.findIndex((known) => known.id === job.id);
  if (place < 0) jobs.unshift(job); else jobs[place] = job;
  showList();
}

function route() {
  leave();
  leave = () => {};
  const id = openId();
  article.hidden = !id;
  if (id) leave = showJob(article, id, { onChange: remember, onOpen: open });
  else article.replaceChildren();
  showList();
}

document.getElementById("language").addEventListener("click", () => { switchLanguage(); showExamples(); route(); });
older.addEventListener("click", () => loadJobs(jobs.at(-1)?.id));
window.addEventListener("hashchange", route);
translate();
startCompose((job) => { remember(job); open(job.id); });
loadJobs().catch(() => {});
route();
