// Calls to the service. Every function rejects with an Error whose message can be shown.

let key = "";
let askForKey = async () => "";

export function onKeyNeeded(ask) {
  askForKey = ask;
}

async function call(path, options = {}, asked = false) {
  const headers = key ? { "x-api-key": key } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Try again in a moment.");
  }
  if (answer.status === 401 && !asked) {
    key = await askForKey();
    return call(path, options);
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const failure = new Error(problem.detail || `The server answered ${answer.status}.`);
  failure.status = answer.status;
  failure.code = problem.code || "";
  failure.retry = Number(answer.headers.get("retry-after")) || 1;
  throw failure;
}

export async function policies() {
  return (await call("v1/policies")).json();
}

function form(files, field) {
  const body = new FormData();
  for (const file of files) body.append(field, file, file.name || "photo");
  return body;
}

export async function screen(file, { policy, rules, annotate, signal } = {}) {
  const query = new URLSearchParams();
  if (policy) query.set("policy", policy);
  if (rules) query.set("rules", rules.join(","));
  if (annotate) query.set("annotate", "json");
  const answer = await call(`v1/screen?${query}`, { method: "POST", body: form([file], "file"), signal });
  return answer.json();
}

export async function screenMany(files, policy, onReport) {
  const query = new URLSearchParams(policy ? { policy } : {});
  const answer = await call(`v1/screen/batch?${query}`, { method: "POST", body: form(files, "files") });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) onReport(JSON.parse(line));
  }
}
