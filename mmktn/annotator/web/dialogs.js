// Pages on top: keys, quality, two opinions.

import { get, post } from "./api.js";
import { $, button, el } from "./dom.js";

function open(...content) {
  $("dialog-content").replaceChildren(...content);
  if (!$("dialog").open) $("dialog").showModal();
}

const table = (heads, rows) => el("table", {},
  el("tr", {}, heads.map((head) => el("th", {}, head))), rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))));

export function showKeys(general, step) {
  const list = (keys) => el("div", { className: "keys" }, keys.map(([key, text]) => el("div", {}, el("kbd", {}, key), text)));
  open(el("h2", {}, "Keys"), el("h3", {}, "Everywhere"), list(general), el("h3", {}, "In this step"), list(step));
}

export async function showQuality(app) {
  await app.safely(async () => {
    const [{ annotators }, { time }] = await Promise.all([get("/api/quality"), get("/api/photos")]);
    const hours = {};
    for (const row of time) hours[row.annotator] = (hours[row.annotator] || 0) + row.seconds;
    const sections = annotators.map((row) => [
      el("h3", {}, `${row.annotator}: ${row.mean_cm} cm over ${row.points} points of ${row.pictures} hidden pictures`),
      el("div", { className: "row" },
        el("figure", {}, el("img", { alt: `error of ${row.annotator} over the body`, src: `/api/quality/picture?annotator=${encodeURIComponent(row.annotator)}` }),
          el("figcaption", {}, `0 (dark blue) to ${row.upper_cm} cm (red)`)),
        table(["part", "points", "mean cm", "median cm"], row.parts.map((p) => [p.name, p.points, p.mean_cm, p.median_cm]))),
    ]);
    const spent = table(["annotator", "hours at work"], Object.entries(hours).map(([name, s]) => [name, (s / 3600).toFixed(2)]));
    open(el("h2", {}, "Quality"),
      el("p", {}, "Error against the exact truth of rendered pictures that are mixed among the photos."),
      ...(annotators.length ? sections.flat() : [el("p", {}, "Nobody has placed points of a hidden picture yet.")]), spent);
  });
}

export async function showDisagreement(app) {
  await app.safely(async () => {
    const found = await get("/api/disagreement");
    if (!found.points.length) {
      open(el("h2", {}, "Two opinions"), el("p", {}, "No point has been placed by two annotators yet."));
      return;
    }
    const settle = (row, take) => app.safely(async () => {
      await post(`/api/people/${row.person}/decide`, { point: row.point, take });
      await showDisagreement(app);
    });
    const rows = found.points.slice(0, 60).map((row) => [
      `photo ${row.photo}, person ${row.person}, point ${row.point}`, `${row.cm} cm`,
      button(row.main, "", () => settle(row, "main"), { className: row.decided === "main" ? "on" : "" }),
      button(row.second, "", () => settle(row, "second"), { className: row.decided === "second" ? "on" : "" }),
      button("look", "", () => { $("dialog").close(); app.openPerson(row.photo, row.person, "main", row.point); }),
    ]);
    open(el("h2", {}, `Two opinions: ${found.mean_cm} cm apart on the mean`),
      el("div", { className: "row" },
        el("figure", {}, el("img", { alt: "disagreement over the body", src: `/api/disagreement/picture?${Date.now()}` }),
          el("figcaption", {}, `0 (dark blue) to ${found.upper_cm} cm (red)`)),
        table(["point", "apart", "take", "or", ""], rows)));
  });
}
