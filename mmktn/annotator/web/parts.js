// Step 2: the parts of one person, by brush, polygon and correction of what the model proposes.

import { post, takeSeconds } from "./api.js";
import { button, css, el, rgb } from "./dom.js";
import { GRID, decodeRuns, encodeRuns, polygonCells, strokeCells } from "./runs.js";

export class PartsStep {
  constructor(app) {
    this.app = app;
    this.mode = "brush";
    this.part = 1;
    this.radius = 14;
    this.shown = true;
    this.keep = false;
    this.corners = [];
    this.saving = Promise.resolve();
    this.picture = document.createElement("canvas");
    this.picture.width = this.picture.height = GRID;
    this.keys = [
      ["B", "brush", () => this.setMode("brush")],
      ["E", "eraser", () => this.setMode("eraser")],
      ["L", "polygon: clicks set corners, C closes it", () => this.setMode("polygon")],
      ["C", "close the polygon", () => this.closePolygon()],
      ["]", "next part", () => this.setPart(this.part + 1)],
      ["[", "previous part", () => this.setPart(this.part - 1)],
      [".", "larger brush", () => this.setRadius(this.radius * 1.25)],
      [",", "smaller brush", () => this.setRadius(this.radius / 1.25)],
      ["T", "paint over empty cells only", () => this.toggleKeep()],
      ["V", "show or hide the parts", () => this.toggleShown()],
      ["P", "take the part under the cursor", () => this.takePart()],
      ["M", "let the model propose the parts", () => this.propose()],
      ["F", "parts are finished: choose the points", () => this.finish()],
    ];
  }

  enter() {
    const { person } = this.app;
    this.grid = person.parts ? decodeRuns(person.parts.runs) : new Uint8Array(GRID * GRID);
    this.source = person.parts?.source || "drawn";
    this.corners = [];
    this.app.viewer.fit(person.box, 0.12);
    this.app.hint("Paint the body under the clothes, part by part");
    this.repaint();
    this.render();
  }

  leave() {
    this.corners = [];
  }

  setMode(mode) {
    this.mode = mode;
    this.corners = [];
    this.render();
  }

  setPart(part) {
    const count = this.app.project.parts.length;
    this.part = ((part - 1 + count) % count) + 1;
    if (this.mode === "eraser") this.mode = "brush";
    this.render();
  }

  setRadius(radius) {
    this.radius = Math.min(Math.max(radius, 1.5), 200);
    this.render();
  }

  toggleKeep() {
    this.keep = !this.keep;
    this.render();
  }

  toggleShown() {
    this.shown = !this.shown;
    this.app.viewer.draw();
  }

  takePart() {
    const at = this.at && this.cell(this.at);
    if (at !== null && at !== undefined && this.grid[at]) this.setPart(this.grid[at]);
  }

  cell([x, y]) {
    const [left, top, width, height] = this.app.person.box;
    const column = Math.floor(((x - left) * GRID) / width);
    const row = Math.floor(((y - top) * GRID) / height);
    return column >= 0 && row >= 0 && column < GRID && row < GRID ? row * GRID + column : null;
  }

  render() {
    const { app } = this;
    const counts = new Array(app.project.parts.length + 1).fill(0);
    for (const value of this.grid) counts[value]++;
    const mode = (name, text, key) => button(text, key, () => this.setMode(name), { className: this.mode === name ? "on" : "" });
    const source = { drawn: "Drawn by hand.", model: "Proposed by the model: correct it.", "model, corrected": "Proposed by the model, corrected." };
    app.panel(
      el("h2", {}, "Parts"),
      el("p", {}, source[this.source] || "Imported."),
      el("div", { className: "row" }, mode("brush", "Brush", "B"), mode("polygon", "Polygon", "L"), mode("eraser", "Eraser", "E")),
      el("div", { className: "row" },
        el("span", {}, "Size"), button("−", ",", () => this.setRadius(this.radius / 1.25)),
        el("span", { className: "quiet" }, `${Math.round(this.radius)} px`), button("+", ".", () => this.setRadius(this.radius * 1.25)),
        button("Only empty", "T", () => this.toggleKeep(), { className: this.keep ? "on" : "" })),
      el("h3", {}, "Left and right are the person's own: left is cool, right is warm"),
      el("div", { className: "parts" }, app.project.parts.map((part) =>
        el("button", {
          type: "button", data: { part: part.number }, className: part.number === this.part ? "on" : "",
          on: { click: () => this.setPart(part.number) },
        }, el("span", { className: "swatch", style: { background: css(app.colours[part.number]) } }), part.name,
        el("span", { className: "count" }, counts[part.number] ? "✓" : "")))),
      el("div", { className: "row" },
        button("Ask the model", "M", () => this.propose(), { disabled: !app.project.model }),
        button("Undo", "Z", () => app.undo()),
        button("Choose points", "F", () => this.finish(), { className: "strong", disabled: !counts.slice(1).some(Boolean) })),
    );
    app.viewer.draw();
  }

  repaint() {
    const context = this.picture.getContext("2d");
    const image = context.createImageData(GRID, GRID);
    const colours = this.app.colours.map((colour) => colour && rgb(colour).map((v) => 255 * v));
    for (let k = 0; k < this.grid.length; k++) {
      const value = this.grid[k];
      if (!value) continue;
      const edge = this.grid[k - 1] !== value || this.grid[k + 1] !== value || this.grid[k - GRID] !== value || this.grid[k + GRID] !== value;
      image.data.set([...colours[value], edge ? 255 : 130], 4 * k);
    }
    context.putImageData(image, 0, 0);
    this.app.viewer.draw();
  }

  overlay(context) {
    const { viewer, person } = this.app;
    const [x, y] = viewer.toScreen(person.box[0], person.box[1]);
    const [w, h] = [person.box[2] * viewer.scale, person.box[3] * viewer.scale];
    context.imageSmoothingEnabled = false;
    if (this.shown) context.drawImage(this.picture, x, y, w, h);
    context.strokeStyle = "rgb(232 235 240 / .5)";
    context.strokeRect(x, y, w, h);
    if (this.corners.length) {
      context.strokeStyle = "#ffd84d";
      context.lineWidth = 2;
      context.beginPath();
      for (const corner of [...this.corners, ...(this.at ? [this.at] : [])]) context.lineTo(...viewer.toScreen(...corner));
      context.stroke();
    }
    if (this.at && this.mode !== "polygon") {
      context.strokeStyle = this.mode === "eraser" ? "#ff6b6b" : css(this.app.colours[this.part]);
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...viewer.toScreen(...this.at), this.radius * viewer.scale, 0, 7);
      context.stroke();
    }
  }

  paint(a, b) {
    const value = this.mode === "eraser" ? 0 : this.part;
    strokeCells(this.app.person.box, a, b, this.radius, (cell) => this.set(cell, value));
    this.repaint();
  }

  set(cell, value) {
    if (this.keep && value && this.grid[cell]) return;
    this.grid[cell] = value;
  }

  down(place) {
    this.at = place;
    if (this.mode === "polygon") {
      this.corners.push(place);
      return;
    }
    this.last = place;
    this.paint(place, place);
  }

  move(place, pressed) {
    this.at = place;
    if (pressed && this.mode !== "polygon" && this.last) {
      this.paint(this.last, place);
      this.last = place;
    }
  }

  async up() {
    if (this.mode === "polygon" || !this.last) return;
    this.last = null;
    await this.save();
  }

  double() {
    if (this.mode === "polygon") this.closePolygon();
  }

  async closePolygon() {
    const [left, top, width, height] = this.app.person.box;
    const corners = this.corners.map(([x, y]) => [((x - left) * GRID) / width, ((y - top) * GRID) / height]);
    this.corners = [];
    if (corners.length < 3) return;
    polygonCells(corners, (cell) => this.set(cell, this.part));
    this.repaint();
    await this.save();
  }

  // One stroke, one action; strokes are sent in order.
  save() {
    const runs = encodeRuns(this.grid);
    if (this.source !== "drawn") this.source = "model, corrected";
    const [source, person, seconds] = [this.source, this.app.person, takeSeconds()];
    this.saving = this.saving.then(() => this.app.safely(async () => {
      await post(`/api/people/${person.id}/parts`, { runs, source, seconds });
      person.parts = { ...person.parts, runs, source };
    }));
    this.render();
    return this.saving;
  }

  async propose() {
    const { app } = this;
    if (!app.project.model) return;
    await app.safely(async () => {
      app.hint("The model is looking (the first time takes a while)");
      const { parts } = await post(`/api/people/${app.person.id}/proposal`, { seconds: takeSeconds() });
      app.person.parts = parts;
      this.enter();
      app.hint("Proposed by the model: correct what is wrong");
    });
  }

  async finish() {
    const { app } = this;
    if (this.corners.length > 2) await this.closePolygon();
    await this.saving;
    await app.safely(async () => {
      app.take(await post(`/api/people/${app.person.id}/points`, { seconds: takeSeconds() }));
      await app.setStep("points");
    });
  }
}
