// The page: what is open, which step, which keys.

import { Refused, get, kept, onConnection, post, release, state } from "./api.js";
import { BoxesStep } from "./boxes.js";
import { showDisagreement, showKeys, showQuality } from "./dialogs.js";
import { $, el, partColours } from "./dom.js";
import { KeypointsStep } from "./keypoints.js";
import { PartsStep } from "./parts.js";
import { PointsStep } from "./points.js";
import { Viewer } from "./viewer.js";

const PAN = 60;
const CURSOR = 12;
const HEARTBEAT_MS = 120000;
const ORDER = ["boxes", "parts", "points", "keypoints"];

class App {
  constructor() {
    this.viewer = new Viewer($("photo"));
    this.steps = { boxes: new BoxesStep(this), parts: new PartsStep(this), points: new PointsStep(this), keypoints: new KeypointsStep(this) };
    this.pace = Number(new URLSearchParams(location.search).get("pace") ?? 450);
    this.viewer.overlays.push((context, now) => this.step?.overlay?.(context, now));
    this.keys = [
      ["N", "next task", () => this.next()],
      ["Z", "undo your last change of this person", () => this.undo()],
      ["1", "boxes", () => this.setStep("boxes")], ["2", "parts", () => this.setStep("parts")],
      ["3", "points", () => this.setStep("points")], ["4", "keypoints", () => this.setStep("keypoints")],
      ["+", "zoom in", () => this.viewer.zoom(1.25)], ["-", "zoom out", () => this.viewer.zoom(0.8)],
      ["0", "whole photo", () => this.viewer.fit()], ["9", "whole person", () => this.person && this.viewer.fit(this.person.box, 0.1)],
      ["W", "pan up", () => this.viewer.pan(0, PAN)], ["S", "pan down", () => this.viewer.pan(0, -PAN)],
      ["A", "pan left", () => this.viewer.pan(PAN, 0)], ["D", "pan right", () => this.viewer.pan(-PAN, 0)],
      ["Arrows", "move the cross (with Shift: by one pixel)", null],
      ["Enter", "click at the cross", () => this.viewer.pressCursor(false)],
      ["G", "press or release at the cross: drag and paint by keys", () => this.viewer.pressCursor(true)],
      ["PageDown", "next photo", () => this.nextPhoto(1)], ["PageUp", "previous photo", () => this.nextPhoto(-1)],
      ["X", "export", () => this.export()], ["Y", "quality", () => showQuality(this)], ["I", "two opinions", () => showDisagreement(this)],
      ["?", "this list", () => showKeys(this.keys, this.step?.keys || [])],
    ];
    for (const id of ["next", "export"]) $(id).addEventListener("click", () => this[id]());
    $("quality").addEventListener("click", () => showQuality(this));
    $("disagreement").addEventListener("click", () => showDisagreement(this));
    $("help").addEventListener("click", () => showKeys(this.keys, this.step?.keys || []));
    $("who").addEventListener("click", () => this.login(true));
    $("filter").addEventListener("input", () => this.renderList());
    $("steps").addEventListener("click", (event) => {
      const name = event.target.closest("li")?.dataset.step;
      if (name) this.setStep(name);
    });
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("pagehide", () => this.close());
    onConnection((waiting) => {
      $("banner").hidden = !waiting;
      $("banner").textContent = "The server does not answer. Your last change waits here and is sent when it is back.";
    }, () => ($("saved").textContent = `saved ${new Date().toLocaleTimeString()}`));
    setInterval(() => this.person && this.held && this.safely(() =>
      post(`/api/people/${this.person.id}/renew`, { layer: this.person.layer })), HEARTBEAT_MS);
  }

  async start() {
    this.project = await get("/api/project");
    state.run = this.project.run;
    this.colours = partColours(this.project.parts);
    document.title = `${this.project.out} · mmktn annotate`;
    await this.login(false);
    await this.refresh();
    await this.next();
    document.body.dataset.ready = "yes";
  }

  async login(ask) {
    if (ask || !state.annotator) {
      $("name").value = state.annotator;
      await new Promise((resolve) => {
        $("login").addEventListener("close", resolve, { once: true });
        $("login").showModal();
      });
      await this.close(); // what the one before held
      state.annotator = $("name").value.trim() || "anonymous";
      localStorage.setItem("annotator", state.annotator);
    }
    $("who").textContent = state.annotator;
    if (ask) await this.next();
  }

  // Runs a change; what the server refuses is said, not thrown.
  async safely(work) {
    try {
      return await work();
    } catch (error) {
      this.hint(error instanceof Refused ? error.message : `That went wrong: ${error.message}`);
      if (error instanceof Refused && error.status === 409) this.held = false;
      if (!(error instanceof Refused)) console.error(error);
      return undefined;
    }
  }

  hint(text) {
    $("hint").textContent = text;
  }

  panel(...content) {
    $("panel").replaceChildren(...content);
  }

  async refresh() {
    const { photos } = await get("/api/photos");
    this.photos = photos;
    const people = photos.reduce((sum, photo) => sum + photo.people, 0);
    const done = photos.reduce((sum, photo) => sum + photo.done, 0);
    $("progress").textContent = `${done} of ${people} people done, ${photos.filter((p) => p.boxes).length} of ${photos.length} photos boxed`;
    this.renderList();
  }

  renderList() {
    const wanted = $("filter").value.toLowerCase();
    const row = (photo) => {
      const others = photo.at_work.filter((name) => name !== state.annotator);
      const complete = photo.boxes && photo.done === photo.people;
      const text = others.length ? `${others.join(", ")} at work` : complete ? "finished" : photo.people ? `${photo.done} of ${photo.people} done` : photo.boxes ? "nobody" : "to do";
      return el("li", { className: photo.id === this.photo?.id ? "on" : "", data: { photo: photo.id }, on: { click: () => this.safely(() => this.openPhoto(photo.id)) } },
        el("img", { loading: "lazy", alt: "", src: kept(`/api/photos/${photo.id}/thumbnail`), width: 44, height: 44 }),
        el("div", {}, el("div", { className: "name", title: photo.name }, photo.name),
          el("div", { className: `state ${others.length ? "busy" : complete ? "done" : ""}` }, text)));
    };
    const rows = this.photos.filter((photo) => photo.name.toLowerCase().includes(wanted)).map(row);
    $("photos").replaceChildren(...rows);
  }

  async next() {
    await this.safely(async () => {
      await this.close();
      const { task } = await post("/api/next");
      await this.refresh();
      if (!task) {
        this.hint("All is done. Thank you.");
        if (!this.photo && this.photos.length) await this.openPhoto(this.photos[0].id);
        return;
      }
      if (task.person === null) await this.openPhoto(task.photo, "boxes");
      else await this.openPerson(task.photo, task.person, task.layer);
    });
  }

  async load(photo) {
    const found = await get(`/api/photos/${photo}?annotator=${encodeURIComponent(state.annotator)}`);
    this.photo = found;
    this.viewer.show(found);
    for (const item of $("photos").children) item.classList.toggle("on", Number(item.dataset.photo) === photo);
  }

  async openPhoto(photo, step = "boxes") {
    await this.close();
    await this.load(photo);
    this.person = null;
    await this.setStep(step);
  }

  async openPerson(photo, person, layer, point = null) {
    await this.close();
    if (this.photo?.id !== photo || !this.photo.people.some((p) => p.id === person)) await this.load(photo);
    this.take(await post(`/api/people/${person}/open`, { layer }));
    this.held = true;
    const step = { parts: "parts", points: "points", keypoints: "keypoints", done: "points" }[this.person.stage];
    await this.setStep(step);
    if (point !== null) {
      const index = this.person.points.findIndex((p) => p.id === point);
      if (index >= 0) await this.steps.points.go(index);
    }
  }

  async choose(person) {
    await this.safely(async () => {
      await this.close();
      this.take(await post(`/api/people/${person}/open`));
      this.held = true;
      this.viewer.draw();
      this.step?.render?.();
      this.renderSteps();
    });
  }

  cyclePerson(by) {
    const { people } = this.photo;
    if (!people.length) return;
    const at = people.findIndex((person) => person.id === this.person?.id);
    this.choose(people[(at + by + people.length) % people.length].id);
  }

  // Takes a person as the server sees it.
  take(person) {
    const { people } = this.photo;
    const at = people.findIndex((p) => p.id === person.id);
    if (at < 0) people.push(person);
    else people[at] = person;
    this.person = person;
    this.held = true;
    this.renderSteps();
  }

  async close() {
    if (!this.person || !this.held) return;
    this.held = false;
    await release(`/api/people/${this.person.id}/close`, { layer: this.person.layer });
  }

  allowed(name) {
    if (name === "boxes") return Boolean(this.photo);
    if (!this.person) return false;
    if (name === "parts") return this.person.layer === "main";
    if (name === "points") return this.person.points.length > 0;
    return this.person.points.length > 0 && this.project.keypoints.length > 0 && this.person.layer === "main";
  }

  renderSteps() {
    for (const item of $("steps").children) {
      item.classList.toggle("on", this.steps[item.dataset.step] === this.step);
      item.classList.toggle("off", !this.allowed(item.dataset.step));
    }
  }

  async setStep(name) {
    if (name === "parts" && !this.person && this.photo?.people.length) await this.choose(this.photo.people[0].id);
    if (!ORDER.includes(name) || !this.allowed(name)) return;
    await this.safely(async () => {
      if (this.person && !this.held && name !== "boxes") {
        this.take(await post(`/api/people/${this.person.id}/open`, { layer: this.person.layer }));
      }
      this.step?.leave();
      this.step = this.steps[name];
      this.viewer.tool = this.step;
      this.viewer.cursor = null;
      await this.step.enter();
      this.renderSteps();
    });
  }

  async undo() {
    if (!this.person) return;
    await this.safely(async () => {
      const { person } = await post(`/api/people/${this.person.id}/undo`, { layer: this.person.layer });
      if (!person) { // its box was what is undone
        this.held = false;
        await this.openPhoto(this.photo.id);
        await this.refresh();
        this.hint("Undone: the box is gone");
        return;
      }
      this.take(person);
      if (this.step === this.steps.points) await this.step.go(Math.min(this.step.index, this.person.points.length - 1), true);
      else await this.step.enter();
      this.hint("Undone");
    });
  }

  async export() {
    await this.safely(async () => {
      const { file, people, problems } = await post("/api/export");
      this.hint(problems.length ? `${file}: ${problems[0]}` : `${file}: ${people} people written, the checker finds nothing wrong`);
    });
  }

  nextPhoto(by) {
    const at = this.photos.findIndex((photo) => photo.id === this.photo?.id);
    const found = this.photos[Math.min(Math.max(at + by, 0), this.photos.length - 1)];
    if (found) this.safely(() => this.openPhoto(found.id));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow) {
      event.preventDefault();
      if (this.step?.arrow) this.step.arrow(...arrow, event.shiftKey);
      else this.viewer.moveCursor(...arrow.map((v) => v * (event.shiftKey ? 1 : CURSOR)));
      return;
    }
    if (event.target.matches("button") && (event.key === "Enter" || event.key === " " || event.key === "Tab")) return;
    const digit = /^Digit(\d)$/.exec(event.code);
    const names = [event.shiftKey && digit ? `Shift+${digit[1]}` : null, event.key, event.key.toUpperCase()];
    if (event.key === "Tab" && this.step !== this.steps.boxes) return;
    const all = [...(this.step?.keys || []), ...this.keys];
    const hit = all.find(([key, , call]) => call && names.includes(key));
    if (!hit) return;
    event.preventDefault();
    hit[2]();
  }
}

const app = new App();
window.app = app; // for scripts that drive the page
app.start().catch((error) => app.hint(`The page could not start: ${error.message}`));
