// The form: words, files by button, drop, paste or microphone; sends a job.
import { submit, upload } from "./client.js";
import { element } from "./media.js";
import { examples, say } from "./words.js";

const form = document.getElementById("compose");
const words = document.getElementById("words");
const list = document.getElementById("files");
const trouble = document.getElementById("trouble");
const record = document.getElementById("record");
let files = [];

function showFiles() {
  list.replaceChildren(...files.map((file, place) => element("li", {},
    file.type.startsWith("image/") ? element("img", { src: URL.createObjectURL(file), alt: "" }) : null,
    element("span", {}, file.name),
    element("button", { type: "button", class: "quiet", "aria-label": `${say("remove")} ${file.name}`, onclick: () => { files.splice(place, 1); showFiles(); } }, "×"))));
}

function add(more) {
  files.push(...more);
  showFiles();
}

function complain(error) {
  const places = (error.problem?.errors ?? []).map((item) => `${item.pointer ?? ""} ${item.reason ?? ""}`.trim());
  trouble.textContent = [error.message, ...places].join("\n");
  trouble.hidden = false;
}

async function send(onSent) {
  trouble.hidden = true;
  const text = words.value.trim();
  if (!text && !files.length) return complain(new Error(say("nothing")));
  const button = document.getElementById("send");
  button.disabled = true;
  try {
    const assets = await Promise.all(files.map(upload));
    const parts = [...assets.map((asset) => ({ type: "asset", asset: asset.id, modality: asset.modality })), ...(text ? [{ type: "text", text }] : [])];
    const job = await submit(parts, { approve: document.getElementById("approve").checked ? "plan" : "auto" });
    words.value = "";
    files = [];
    showFiles();
    onSent(job);
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
}

async function toggleRecording() {
  if (record.recorder) return record.recorder.stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream);
    const chunks = [];
    recorder.ondataavailable = (event) => chunks.push(event.data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      add([new File(chunks, "recording.webm", { type: recorder.mimeType })]);
      record.recorder = undefined;
      record.textContent = say("record");
    };
    recorder.start();
    record.recorder = recorder;
    record.textContent = say("stop");
  } catch {
    complain(new Error(say("noMicrophone")));
  }
}

export function showExamples() {
  document.getElementById("examples").replaceChildren(...examples().map((text) =>
    element("button", { type: "button", class: "quiet", onclick: () => { words.value = text; words.focus(); } }, text)));
}

export function startCompose(onSent) {
  form.addEventListener("submit", (event) => { event.preventDefault(); send(onSent); });
  words.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
  document.getElementById("pick").addEventListener("change", (event) => { add([...event.target.files]); event.target.value = ""; });
  record.addEventListener("click", toggleRecording);
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => { event.preventDefault(); form.classList.remove("over"); add([...event.dataTransfer.files]); });
  form.addEventListener("paste", (event) => add([...event.clipboardData.files]));
  showExamples();
}
