// Step 3: a point blinks in the photo; a click on one of six views says where it lies on the body.

import { get, getBytes, kept, post, takeSeconds } from "./api.js";
import { Body3d } from "./body3d.js";
import { button, css, drawCross, el } from "./dom.js";
import { GRID } from "./runs.js";

const VIEWS = 6;

export class PointsStep {
  constructor(app) {
    this.app = app;
    this.view = 0;
    this.pictures = new Map();
    this.keys = [
      ...Array.from({ length: VIEWS }, (_, k) => [`Shift+${k + 1}`, `view ${k + 1}, for the arrows`, () => this.chooseView(k)]),
      ["R", "next view, for the arrows", () => this.chooseView((this.view + 1) % VIEWS)],
      ["Arrows", "move the cross in the chosen view (with Shift: by one pixel)", null],
      ["Enter", "put the point where the cross is", () => this.placeAtCross()],
      ["U", "cannot tell: skip this point", () => this.skip()],
      ["J", "next point", () => this.step(1)],
      ["K", "previous point", () => this.step(-1)],
      ["H", "turn the body", () => this.body?.turn(0.4)],
      ["F", "points are finished", () => this.finish()],
    ];
  }

  async enter() {
    const { app } = this;
    this.cross = [app.project.view_size / 2, app.project.view_size / 2];
    this.layout();
    app.viewer.animated = true;
    app.viewer.fit(app.person.box, 0.1);
    const open = this.points.findIndex((point) => !this.click(point));
    await this.go(Math.max(open, 0), true);
    if (!this.mesh) this.mesh = getBytes(kept("/api/body"));
    const bytes = await this.mesh;
    if (app.step === this) {
      this.body = new Body3d(this.canvas3d, bytes, app.colours);
      this.body.highlight(this.point?.part);
      if (this.shown) this.body.show(this.shown.position);
    }
  }

  leave() {
    this.app.viewer.animated = false;
    this.body?.stop();
    this.body = null;
  }

  get points() {
    return this.app.person.points;
  }

  get point() {
    return this.points[this.index];
  }

  click(point) {
    return this.app.person.clicks[point.id];
  }

  place(point) {
    const [x, y, w, h] = this.app.person.box;
    return [x + (point.x * w) / GRID, y + (point.y * h) / GRID];
  }

  layout() {
    this.canvases = Array.from({ length: VIEWS }, (_, k) => el("canvas", {
      width: this.app.project.view_size, height: this.app.project.view_size, data: { view: k },
      on: {
        pointerdown: (event) => this.placeAt(k, this.inView(event)),
        pointermove: (event) => this.hover(k, this.inView(event)),
        pointerleave: () => this.hover(k, null),
      },
    }));
    this.figures = this.canvases.map((canvas, k) => el("figure", {}, canvas, el("figcaption", {}, el("kbd", {}, `⇧${k + 1}`))));
    this.title = el("h2", {});
    this.bar = el("i", {});
    this.text = el("div", {});
    this.canvas3d = el("canvas", { id: "body3d", title: "drag to turn" });
    this.app.panel(
      this.title, el("div", { className: "bar" }, this.bar),
      el("div", { className: "views" }, this.figures),
      el("div", { className: "side" }, this.canvas3d, this.text),
      el("div", { className: "row" },
        button("Cannot tell", "U", () => this.skip()), button("Back", "K", () => this.step(-1)), button("On", "J", () => this.step(1)),
        button("Undo", "Z", () => this.app.undo()),
        button("Points are finished", "F", () => this.finish(), { className: "strong" })),
    );
  }

  inView(event) {
    const side = this.app.project.view_size;
    return [(event.offsetX * side) / event.target.clientWidth, (event.offsetY * side) / event.target.clientHeight];
  }

  async go(index, keepZoom = false) {
    this.index = Math.min(Math.max(index, 0), this.points.length - 1);
    const { point, app } = this;
    if (!point) return;
    this.shown = null;
    this.hovered = null;
    this.guard = null;
    this.body?.highlight(point.part);
    this.render();
    if (!keepZoom) this.bringIntoSight(this.place(point));
    const click = this.click(point);
    const pictures = await this.viewPictures(point.part);
    if (this.point !== point) return;
    this.images = pictures;
    if (click?.I) {
      const query = new URLSearchParams({ part: point.part, I: click.I, U: click.U, V: click.V });
      const [shown, guard] = await Promise.all([
        get(`/api/located?${query}`), get(`/api/people/${app.person.id}/guard/${point.id}?layer=${encodeURIComponent(app.person.layer)}`),
      ]);
      if (this.point !== point) return;
      [this.shown, this.guard] = [shown, guard];
    }
    this.body?.show(this.shown?.position ?? null);
    this.render();
  }

  bringIntoSight(place) {
    const { viewer } = this.app;
    const [x, y] = viewer.toScreen(...place);
    const [width, height] = viewer.size;
    if (x < 40 || y < 60 || x > width - 40 || y > height - 40) viewer.pan(width / 2 - x, height / 2 - y);
  }

  async viewPictures(part) {
    if (!this.pictures.has(part)) {
      this.app.hint("The six views of this part are being drawn");
      this.pictures.set(part, Promise.all(Array.from({ length: VIEWS }, (_, k) => new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = () => reject(new Error("a view could not be loaded"));
        image.src = kept(`/api/views/${part}/${k}`);
      }))));
      this.pictures.get(part).catch(() => this.pictures.delete(part));
    }
    const images = await this.pictures.get(part);
    this.app.hint("Click on one of the six views where the blinking point lies");
    const after = this.points.slice(this.index).find((point) => point.part !== part);
    if (after && !this.pictures.has(after.part)) setTimeout(() => this.viewPictures(after.part).catch(() => {}), 200);
    return images;
  }

  render() {
    const { app, point } = this;
    if (!point) return;
    const done = this.points.filter((p) => this.click(p)).length;
    const part = app.project.parts[point.part - 1];
    this.title.replaceChildren(
      el("span", { className: "swatch", style: { background: css(app.colours[point.part]), display: "inline-block", marginRight: "8px" } }),
      `${part.name} `, el("span", { className: "count" }, `point ${this.index + 1} of ${this.points.length}, ${done} done`));
    this.bar.style.width = `${(100 * done) / this.points.length}%`;
    this.figures.forEach((figure, k) => figure.classList.toggle("on", k === this.view));
    this.canvases.forEach((canvas, k) => this.paintView(canvas.getContext("2d"), k));
    this.renderText();
    app.viewer.draw();
  }

  renderText() {
    const { point } = this;
    const click = this.click(point);
    const rows = (this.guard?.neighbours || []).map((n) => {
      const number = this.points.findIndex((p) => p.id === n.id) + 1;
      return el("tr", {}, el("td", {}, `point ${number}`), el("td", {}, `${n.pixels} px`), el("td", {}, `${n.cm} cm`));
    });
    this.text.replaceChildren(...[
      this.guard?.warning ? el("div", { className: "warning", role: "alert" }, this.guard.warning) : null,
      click?.skip ? el("p", {}, "Cannot be told: skipped.") : null,
      click?.I ? el("p", {}, `chart ${click.I}, U ${click.U.toFixed(3)}, V ${click.V.toFixed(3)}`) : null,
      !click ? el("p", {}, "The same place shows in all views at once.") : null,
      rows.length ? el("table", {}, el("tr", {}, el("th", {}, "neighbour"), el("th", {}, "photo"), el("th", {}, "skin")), rows) : null,
    ].filter(Boolean));
  }

  paintView(context, k) {
    const side = this.app.project.view_size;
    context.clearRect(0, 0, side, side);
    const image = this.images?.[k];
    if (!image) return;
    context.drawImage(image, 0, 0);
    const marked = this.hovered || this.shown;
    const spot = marked?.places?.[k];
    if (spot) {
      context.beginPath();
      context.arc(spot[0], spot[1], 6.5, 0, 7);
      context.lineWidth = 2;
      if (spot[2]) {
        context.fillStyle = this.hovered ? "rgb(214 30 60 / .55)" : "#d61e3c";
        context.fill();
        context.strokeStyle = "#fff";
      } else {
        context.setLineDash([3, 3]);
        context.strokeStyle = "#d61e3c";
      }
      context.stroke();
      context.setLineDash([]);
    }
    if (this.crossing && k === this.view) {
      context.strokeStyle = "#0a6";
      context.lineWidth = 2;
      drawCross(context, this.cross, 9);
    }
  }

  overlay(context, now) {
    const { app } = this;
    const { viewer } = app;
    const near = new Map((this.guard?.neighbours || []).map((n) => [n.id, n]));
    for (const point of this.points) {
      if (point === this.point) continue;
      const click = this.click(point);
      const [x, y] = viewer.toScreen(...this.place(point));
      context.beginPath();
      context.arc(x, y, 4, 0, 7);
      context.lineWidth = 1.5;
      context.strokeStyle = "rgb(255 255 255 / .9)";
      context.fillStyle = click?.I ? css(app.colours[point.part]) : click ? "rgb(120 126 136 / .9)" : "rgb(20 23 28 / .35)";
      context.fill();
      context.stroke();
      if (near.has(point.id)) {
        context.font = "600 11px system-ui, sans-serif";
        const text = `${near.get(point.id).cm} cm`;
        context.lineWidth = 3;
        context.strokeStyle = "rgb(10 13 17 / .85)";
        context.strokeText(text, x + 8, y + 4);
        context.fillStyle = "#fff";
        context.fillText(text, x + 8, y + 4);
      }
    }
    if (!this.point) return;
    const [x, y] = viewer.toScreen(...this.place(this.point));
    const pulse = (now % 900) / 900;
    context.lineWidth = 3;
    context.strokeStyle = `rgb(255 216 77 / ${1 - pulse})`;
    context.beginPath();
    context.arc(x, y, 7 + 20 * pulse, 0, 7);
    context.stroke();
    context.fillStyle = pulse < 0.5 ? "#ffd84d" : "#d61e3c";
    context.strokeStyle = "#14171c";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 6, 0, 7);
    context.fill();
    context.stroke();
  }

  // A click on a point of the photo goes to it.
  down(place) {
    const reach = 12 / this.app.viewer.scale;
    const distances = this.points.map((point) => Math.hypot(...this.place(point).map((v, k) => v - place[k])));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest] < reach) this.go(nearest, true);
  }

  chooseView(view) {
    this.view = view;
    this.crossing = true;
    this.hover(view, this.cross);
    this.render();
  }

  // The arrows move a cross in the chosen view.
  arrow(dx, dy, fine) {
    const side = this.app.project.view_size;
    const reach = fine ? 1 : side / 32;
    this.crossing = true;
    this.cross = [this.cross[0] + dx * reach, this.cross[1] + dy * reach].map((v) => Math.min(Math.max(v, 0), side - 0.01));
    this.hover(this.view, this.cross);
    this.render();
  }

  placeAtCross() {
    return this.placeAt(this.view, this.cross);
  }

  // Where the point would lie, in all views and on the body; nothing is saved.
  async hover(view, place) {
    const asked = (this.asked = Symbol());
    if (!place || !this.point) {
      this.hovered = null;
      this.render();
      this.body?.show(this.shown?.position ?? null);
      return;
    }
    if (this.asking) return;
    this.asking = true;
    try {
      const query = new URLSearchParams({ x: place[0].toFixed(2), y: place[1].toFixed(2) });
      const found = await get(`/api/pick/${this.point.part}/${view}?${query}`);
      if (this.asked === asked) this.hovered = found;
      this.canvases.forEach((canvas, k) => this.paintView(canvas.getContext("2d"), k));
      if (found && this.body && this.asked === asked) this.body.show(found.position);
    } catch {
      // a preview may fail in silence
    } finally {
      this.asking = false;
    }
  }

  async placeAt(view, [x, y]) {
    const { app, point } = this;
    if (!point || this.placing) return;
    this.placing = true;
    this.view = view;
    await app.safely(async () => {
      const fields = { point: point.id, view, x, y, layer: app.person.layer, seconds: takeSeconds() };
      const found = await post(`/api/people/${app.person.id}/place`, fields);
      app.person.clicks[point.id] = { I: found.I, U: found.U, V: found.V, vertex: found.vertex };
      this.asked = null;
      this.hovered = null;
      [this.shown, this.guard] = [found, found];
      this.body?.show(found.position);
      this.render();
    });
    this.placing = false;
    // With a warning the point stays; else the next one blinks, after a look at this one.
    if (this.point !== point || this.guard?.warning || !this.click(point)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.point === point && this.nextOpen(), app.pace);
  }

  async skip() {
    const { app, point } = this;
    if (!point) return;
    await app.safely(async () => {
      await post(`/api/people/${app.person.id}/skip`, { point: point.id, layer: app.person.layer, seconds: takeSeconds() });
      app.person.clicks[point.id] = { skip: true };
      await this.nextOpen();
    });
  }

  async nextOpen() {
    const count = this.points.length;
    for (let k = 1; k <= count; k++) {
      const index = (this.index + k) % count;
      if (!this.click(this.points[index])) return this.go(index);
    }
    this.app.hint("Every point has a place: F finishes, J and K look again");
    this.render();
    return undefined;
  }

  step(by) {
    clearTimeout(this.timer);
    return this.go((this.index + by + this.points.length) % this.points.length);
  }

  async finish() {
    const { app } = this;
    const open = this.points.filter((point) => !this.click(point)).length;
    if (open && !confirm(`${open} points have no place yet. Finish anyway?`)) return;
    clearTimeout(this.timer);
    const further = app.person.layer === "main" && app.project.keypoints.length;
    await app.safely(async () => {
      const fields = { stage: further ? "keypoints" : "done", layer: app.person.layer, seconds: takeSeconds() };
      app.take(await post(`/api/people/${app.person.id}/stage`, fields));
      if (further) await app.setStep("keypoints");
      else await app.next();
    });
  }
}
