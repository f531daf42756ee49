// A job or a saved workflow as programs that have the same done: curl, Python, OpenAI's SDK, the command line. Pure.
const LEFT_OUT = ["ask", "models", "approve", "best_of", "max_redraws", "max_revisions", "commercial_only"];
const ENDINGS = { image: "png", audio: "wav", video: "mp4" };

/** The body that asks for the same job again. */
export function bodyOf(job) {
  const options = Object.fromEntries(Object.entries(job.options ?? {}).filter(([name, value]) => !isPlain(name, value)));
  const rest = Object.keys(options).length ? { options } : {};
  if (job.kind === "request")
    return {
      input: job.input.map((part) => (part.type === "asset" ? { type: "asset", asset: part.asset } : { type: "text", text: part.text })),
      ...rest,
    };
  return { plan: planOf(job), ...rest };
}

function isPlain(name, value) {
  if (!LEFT_OUT.includes(name)) return value === null;
  return (
    { ask: true, approve: "auto", best_of: 1, max_redraws: 0, max_revisions: 1, commercial_only: false }[name] === value ||
    (name === "models" && !Object.keys(value ?? {}).length)
  );
}

/** The plan document out of a job's steps. */
export function planOf(job) {
  const steps = (job.plan?.steps ?? []).filter((step) => step.tool !== "plan" && step.tool !== "answer");
  return {
    steps: steps.map(({ id, tool, inputs, params, model }) => ({ id, tool, inputs, params, ...(model ? { model } : {}) })),
    reply: job.plan?.reply ?? {},
  };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A value of JSON as a literal of Python, at this indentation. A string is the same in both. */
export function python(value, margin = "") {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${margin}    `;
  const items = Array.isArray(value)
    ? value.map((item) => python(item, deeper))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return items.length ? `${open}\n${items.map((item) => `${deeper}${item},\n`).join("")}${margin}${close}` : `${open}${close}`;
}

const bearer = (key) => (key ? [`-H 'Authorization: Bearer ${key}'`] : []);

const withClient = (origin, key, lines) =>
  ["from medley.client import Medley", "", `with Medley(${JSON.stringify(origin)}${key ? `, api_key=${JSON.stringify(key)}` : ""}) as medley:`, ...lines.map((line) => `    ${line}`)].join("\n");

const SAVED = ["for asset in job.assets:", "    print(asset.save())"];

/** `{curl, python, openai}`; the last one only where OpenAI's form can say the same. `key` stands in them where one is wanted. */
export function jobPrograms(job, key = null, origin = location.origin) {
  const body = bodyOf(job);
  const heads = [...bearer(key), "-H 'Content-Type: application/json'", "-H 'Prefer: wait=60'"];
  const curl = [`curl ${origin}/v1/jobs`, ...heads, `-d ${quoted(JSON.stringify(body))}`].join(" \\\n  ");
  const asked = `job = medley.job(medley.post("/v1/jobs", ${python(body, "    ")})["id"])`;
  const client = withClient(origin, key, [asked, "job.watch()", "print(job.answer)", ...SAVED]);
  const input = body.input ?? [];
  if (job.kind !== "request" || job.input.some((part) => part.asset && part.modality !== "image")) return { curl, python: client };
  const parts = input.map((part) => (part.type === "text" ? { type: "input_text", text: part.text } : { type: "input_image", file_id: part.asset }));
  const said = input.some((part) => part.asset) ? [{ role: "user", content: parts }] : input.map((part) => part.text).join("\n");
  const openai = [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(`${origin}/v1`)}, api_key=${JSON.stringify(key ?? "any")})`,
    "answer = client.responses.create(",
    '    model="medley",',
    `    input=${python(said, "    ")},`,
    ")",
    "print(answer.output_text)",
  ].join("\n");
  return { curl, python: client, openai };
}

/** `{curl, python, shell}`: programs that run the saved workflow. Files go along as fields of a form; `key` stands in them where one is wanted. */
export function flowPrograms(saved, key = null, origin = location.origin) {
  const inputs = Object.entries(saved.inputs).map(([name, input]) => {
    const [kind] = input.modality.split("|");
    const file = input.modality.split("|").includes("text") ? null : `${name}.${ENDINGS[kind] ?? "bin"}`;
    return { name, file, words: input.default ?? "…", many: input.many };
  });
  const all = (of) => Object.fromEntries(inputs.map((input) => [input.name, input.many ? [of(input)] : of(input)]));
  const body = JSON.stringify({ inputs: all(({ name, file, words }) => (file ? { file: name } : words)) });
  const files = inputs.filter((input) => input.file);
  const sent = files.length
    ? [`--form-string request=${quoted(body)}`, ...files.map(({ name, file }) => `-F ${name}=@${file}`)]
    : ["-H 'Content-Type: application/json'", `-d ${quoted(body)}`];
  const curl = [`curl ${origin}/v1/workflows/${saved.id}/runs`, ...bearer(key), "-H 'Prefer: wait=60'", ...sent].join(" \\\n  ");
  const value = ({ file, words, many }) => {
    const one = file ? `Path(${JSON.stringify(file)})` : python(words);
    return many ? `[${one}]` : one;
  };
  const given = inputs.map((input) => `${JSON.stringify(input.name)}: ${value(input)}`).join(", ");
  const run = `job = medley.run_workflow(${JSON.stringify(saved.id)}, {${given}}).watch()`;
  const client = `${files.length ? "from pathlib import Path\n\n" : ""}${withClient(origin, key, [run, "print(job.answer)", ...SAVED])}`;
  const options = inputs.map(({ name, file, words }) => `-i ${name}=${file ? `@${file}` : quoted(words)}`);
  return { curl, python: client, shell: [`medley workflows run ${saved.id}`, ...options].join(" \\\n  ") };
}
