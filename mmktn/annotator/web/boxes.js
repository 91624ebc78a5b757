// Step 1: a box around every person of the photo.

import { post, takeSeconds } from "./api.js";
import { button, el } from "./dom.js";

const HANDLE = 10;

export class BoxesStep {
  constructor(app) {
    this.app = app;
    this.drawing = null;
    this.drag = null;
    this.keys = [
      ["O", "draw a new box (drag, or press G, move with arrows, G)", () => this.begin()],
      ["Tab", "next person", () => this.app.cyclePerson(1)],
      ["M", "let the model propose people", () => this.propose()],
      ["Delete", "take the chosen person out", () => this.remove()],
      ["F", "all people of this photo have boxes", () => this.finish()],
    ];
  }

  enter() {
    this.drawing = null;
    this.fresh = !this.app.photo.people.length;
    this.hint();
    this.render();
  }

  leave() {
    this.drawing = null;
  }

  begin() {
    this.fresh = true;
    this.hint();
  }

  hint() {
    const subject = this.app.project.subject;
    this.app.hint(this.fresh ? `Drag a box around one ${subject}` : "Choose a box, drag its corners, or press O for a new one");
  }

  render() {
    const { app } = this;
    const people = app.photo.people.map((person, k) =>
      el("button", {
        type: "button",
        className: person.id === app.person?.id ? "on" : "",
        on: { click: () => app.choose(person.id) },
      }, `${app.project.subject} ${k + 1}`, el("span", { className: "count" }, person.stage)));
    app.panel(
      el("h2", {}, "Boxes"),
      el("p", {}, "Every one that is not tiny gets a box, also where others stand in front."),
      el("div", { className: "people" }, people),
      el("div", { className: "row" },
        button("New box", "O", () => this.begin()),
        button("Ask the model", "M", () => this.propose(), { disabled: !app.project.model }),
        button("Remove", "Del", () => this.remove(), { disabled: !app.person })),
      el("div", { className: "row" }, button("All have boxes", "F", () => this.finish(), { className: "strong" })),
    );
  }

  overlay(context) {
    const { viewer } = this.app;
    this.app.photo.people.forEach((person, k) => {
      const on = person.id === this.app.person?.id;
      const [x, y] = viewer.toScreen(person.box[0], person.box[1]);
      const [w, h] = [person.box[2] * viewer.scale, person.box[3] * viewer.scale];
      context.strokeStyle = on ? "#5cc8a8" : "#e8ebf0";
      context.lineWidth = on ? 2.5 : 1.5;
      context.strokeRect(x, y, w, h);
      context.fillStyle = context.strokeStyle;
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(`${k + 1}`, x + 5, y + 15);
      if (on) for (const [cx, cy] of [[x, y], [x + w, y], [x, y + h], [x + w, y + h]]) context.fillRect(cx - 4, cy - 4, 8, 8);
    });
    if (this.drawing) {
      const [a, b] = this.drawing.map((place) => viewer.toScreen(...place));
      context.setLineDash([6, 4]);
      context.strokeStyle = "#ffd84d";
      context.strokeRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
      context.setLineDash([]);
    }
  }

  down(place) {
    const { app } = this;
    if (!this.fresh && app.person) {
      const [x, y, w, h] = app.person.box;
      const corners = [[x, y, x + w, y + h], [x + w, y, x, y + h], [x, y + h, x + w, y], [x + w, y + h, x, y]];
      const reach = HANDLE / app.viewer.scale;
      const near = corners.find(([cx, cy]) => Math.hypot(cx - place[0], cy - place[1]) < reach);
      if (near) {
        this.drag = true;
        this.drawing = [[near[2], near[3]], place];
        return;
      }
    }
    if (!this.fresh) {
      const inside = app.photo.people.filter(({ box: [x, y, w, h] }) =>
        place[0] >= x && place[1] >= y && place[0] <= x + w && place[1] <= y + h);
      inside.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);
      if (inside.length) app.choose(inside[0].id);
      return;
    }
    this.drawing = [place, place];
  }

  move(place, pressed) {
    if (this.drawing && pressed) this.drawing[1] = place;
  }

  async up(place) {
    if (!this.drawing) return;
    const [[x0, y0]] = this.drawing;
    const box = [Math.min(x0, place[0]), Math.min(y0, place[1]), Math.abs(place[0] - x0), Math.abs(place[1] - y0)];
    const [moved, { app }] = [this.drag, this];
    this.drawing = null;
    this.drag = null;
    if (box[2] < 3 || box[3] < 3) return;
    await app.safely(async () => {
      if (moved) app.take(await post(`/api/people/${app.person.id}/box`, { box, seconds: takeSeconds() }));
      else {
        const ticket = crypto.randomUUID?.() || `${Date.now()}-${Math.random()}`;
        app.take(await post(`/api/photos/${app.photo.id}/people`, { box, ticket, seconds: takeSeconds() }));
      }
      this.fresh = false;
      this.hint();
      this.render();
      await app.refresh();
    });
  }

  async propose() {
    const { app } = this;
    if (!app.project.model) return;
    await app.safely(async () => {
      app.hint("The model is looking (the first time takes a while)");
      const { people } = await post(`/api/photos/${app.photo.id}/proposals`);
      await app.refresh();
      await app.openPhoto(app.photo.id);
      app.hint(people.length ? `${people.length} proposed, each marked as such: look at them` : "The model found nobody else");
    });
  }

  async remove() {
    const { app } = this;
    if (!app.person) return;
    await app.safely(async () => {
      await post(`/api/people/${app.person.id}/remove`);
      await app.openPhoto(app.photo.id);
    });
  }

  async finish() {
    const { app } = this;
    await app.safely(async () => {
      await post(`/api/photos/${app.photo.id}/boxes`, { finished: true });
      await app.next();
    });
  }
}
