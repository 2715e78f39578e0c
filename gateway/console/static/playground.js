// The playground renews itself while somebody types and while people are counted. Everything works without this.
"use strict";

const REST = 500; // milliseconds without a key

const trial = document.getElementById("trial");
const said = document.getElementById("said");
let typing = 0;
let asked = 0;

async function attempt(isTyping) {
  const own = (asked += 1);
  const body = new URLSearchParams(new FormData(trial));
  body.set("do", "try");
  const headers = isTyping ? {} : { "X-Live": "1" }; // to look how far it is, is to do nothing
  const answer = await fetch(trial.action, { method: "POST", body, headers, credentials: "same-origin" }).catch(() => null);
  if (answer && (answer.status === 401 || answer.redirected)) {
    location.reload(); // signed out: the page leads to the sign-in
    return;
  }
  if (!answer || own !== asked) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = fresh.getElementById("outcome");
  const alert = fresh.querySelector("main [role=alert]");
  if (part) {
    document.getElementById("outcome").replaceWith(document.adoptNode(part));
    trial.elements.toml.setAttribute("aria-invalid", String(part.querySelector("#faults") !== null));
  }
  said.textContent = !part && alert ? alert.textContent : "";
  again();
}

function again() {
  const counting = document.querySelector("#outcome [data-count]");
  if (counting) setTimeout(() => attempt(false), Number(counting.dataset.count));
}

if (trial) {
  trial.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => attempt(true), REST);
  });
  const copy = document.getElementById("copy");
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    trial.elements.toml.select();
    const writing = navigator.clipboard?.writeText(trial.elements.toml.value).then(() => true, () => false);
    const isDone = (await writing) || document.execCommand("copy"); // over plain http there is only the old way
    said.textContent = isDone ? copy.dataset.done : copy.dataset.marked;
  });
  again();
}
