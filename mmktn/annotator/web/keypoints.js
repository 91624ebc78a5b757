// Step 4: keypoints.

import { post, takeSeconds } from "./api.js";
import { button, el } from "./dom.js";

export class KeypointsStep {
  constructor(app) {
    this.app = app;
    this.hidden = false;
    this.keys = [
      ["Enter", "put the keypoint where the cross is", null],
      ["H", "the next one is hidden behind something", () => this.toggle()],
      ["U", "not in the photo: none", () => this.set(null)],
      ["J", "next keypoint", () => this.step(1)],
      ["K", "previous keypoint", () => this.step(-1)],
      ["F", "this person is finished", () => this.finish()],
    ];
  }

  enter() {
    const { project, person, viewer } = this.app;
    this.index = Math.max(project.keypoints.findIndex((name) => !person.keypoints[name]), 0);
    viewer.fit(person.box, 0.15);
    this.render();
  }

  leave() {}

  get name() {
    return this.app.project.keypoints[this.index];
  }

  render() {
    const { app } = this;
    app.hint(`Where is the ${this.name.replaceAll("_", " ")}?${this.hidden ? " (hidden)" : ""}`);
    app.panel(
      el("h2", {}, "Keypoints"),
      el("p", {}, "Left and right are the person's own."),
      el("div", { className: "parts" }, app.project.keypoints.map((name, k) => {
        const mark = app.person.keypoints[name];
        return el("button", {
          type: "button", className: k === this.index ? "on" : "", on: { click: () => { this.index = k; this.render(); } },
        }, name.replaceAll("_", " "), el("span", { className: "count" }, mark ? (mark[2] === 2 ? "✓" : "hidden") : ""));
      })),
      el("div", { className: "row" },
        button("Hidden", "H", () => this.toggle(), { className: this.hidden ? "on" : "" }),
        button("Not there", "U", () => this.set(null)), button("Undo", "Z", () => app.undo())),
      el("div", { className: "row" }, button("Finished", "F", () => this.finish(), { className: "strong" })),
    );
    app.viewer.draw();
  }

  toggle() {
    this.hidden = !this.hidden;
    this.render();
  }

  step(by) {
    const count = this.app.project.keypoints.length;
    this.index = (this.index + by + count) % count;
    this.render();
  }

  overlay(context) {
    const { viewer, person, project } = this.app;
    for (const name of project.keypoints) {
      const mark = person.keypoints[name];
      if (!mark) continue;
      const [x, y] = viewer.toScreen(mark[0], mark[1]);
      const side = name.startsWith("left") ? "#54b6e8" : name.startsWith("right") ? "#f2854b" : "#7ddf8a";
      context.beginPath();
      context.arc(x, y, name === this.name ? 8 : 5.5, 0, 7);
      context.fillStyle = mark[2] === 2 ? side : "transparent";
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = mark[2] === 2 ? "#fff" : side;
      context.stroke();
    }
  }

  down(place) {
    return this.set([place[0], place[1], this.hidden ? 1 : 2]);
  }

  async set(place) {
    const { app, name } = this;
    await app.safely(async () => {
      await post(`/api/people/${app.person.id}/keypoint`, { name, place, seconds: takeSeconds() });
      if (place) app.person.keypoints[name] = place;
      else delete app.person.keypoints[name];
      this.hidden = false;
      if (this.index + 1 < app.project.keypoints.length) this.index++;
      else app.hint("That was the last one: F finishes");
      this.render();
    });
  }

  async finish() {
    const { app } = this;
    await app.safely(async () => {
      app.take(await post(`/api/people/${app.person.id}/stage`, { stage: "done", seconds: takeSeconds() }));
      await app.next();
    });
  }
}
