// What is live on a page: its parts are asked for again when the gateway says that something has happened.
// Everything works without this.
"use strict";

const QUIET = 1500; // milliseconds between two looks
const MOST_PAGES = 20; // that are searched by themselves

let isAsking = false;
let isNews = false;

async function page(address) {
  const answer = await fetch(address, { headers: { "X-Live": "1" }, credentials: "same-origin" });
  if (answer.status === 401) {
    location.reload(); // signed out: the page leads to the sign-in
    return null;
  }
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

async function renew() {
  if (isAsking) {
    isNews = true;
    return;
  }
  isAsking = true;
  try {
    const fresh = await page(location.href);
    for (const part of fresh ? document.querySelectorAll("[data-part]") : []) {
      const other = fresh.getElementById(part.id);
      const isInUse = part.contains(document.activeElement) || part.querySelector("details[open]");
      if (other && !isInUse && other.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(other));
    }
  } catch {
    // the gateway is away for a moment: the next news will do
  }
  setTimeout(() => {
    isAsking = false;
    if (isNews) {
      isNews = false;
      renew();
    }
    again();
  }, QUIET);
}

function again() {
  if (document.querySelector("[data-again]")) renew();
}

function listen() {
  const live = document.querySelector("[data-live]");
  if (!live) return;
  let known = null;
  const source = new EventSource(live.dataset.live);
  source.onmessage = (news) => {
    if (known !== null && news.data !== known) renew();
    known = news.data;
  };
  window.addEventListener("pagehide", () => source.close());
}

// A search that has not come to its end goes on by itself, until there is a page to look at.
async function searchOn() {
  for (let count = 0; count < MOST_PAGES; count += 1) {
    const none = document.getElementById("none");
    const next = document.querySelector("#more a[rel=next]");
    if (!none || !next) return;
    const fresh = await page(next.href).catch(() => null);
    const section = fresh && fresh.getElementById("found") && fresh.getElementById("found").parentElement;
    if (!section) return;
    document.getElementById("found").parentElement.replaceWith(document.adoptNode(section));
  }
}

listen();
again();
searchOn();
