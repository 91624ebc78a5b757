// The photo: tiles, zoom, pan, a cursor that keys move, and tools that draw on top.

import { kept } from "./api.js";
import { drawCross } from "./dom.js";

const TILE = 512;

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.photo = null;
    this.tiles = new Map();
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.tool = null;
    this.cursor = null;
    this.pressed = false;
    this.animated = false;
    this.overlays = [];
    this._wanted = false;
    new ResizeObserver(() => this._resize()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this._down(event));
    canvas.addEventListener("pointermove", (event) => this._move(event));
    canvas.addEventListener("pointerup", (event) => this._up(event));
    canvas.addEventListener("pointercancel", (event) => this._up(event));
    canvas.addEventListener("dblclick", (event) => this.tool?.double?.(this.toImage(event.offsetX, event.offsetY)));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
  }

  show(photo) {
    if (this.photo?.id !== photo.id) this.tiles.clear();
    const first = this.photo?.id !== photo.id;
    this.photo = photo;
    if (first) this.fit();
    this.draw();
  }

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  toImage(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toScreen(x, y) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  fit(box = null, margin = 0.06) {
    if (!this.photo) return;
    const [x, y, w, h] = box || [0, 0, this.photo.width, this.photo.height];
    const [width, height] = this.size;
    this.scale = Math.min(width / (w * (1 + 2 * margin)), height / (h * (1 + 2 * margin)), 40);
    this.x = width / 2 - (x + w / 2) * this.scale;
    this.y = height / 2 - (y + h / 2) * this.scale;
    this.draw();
  }

  zoomAt(sx, sy, factor) {
    const scale = Math.min(Math.max(this.scale * factor, 0.005), 60);
    const [ix, iy] = this.toImage(sx, sy);
    this.scale = scale;
    this.x = sx - ix * scale;
    this.y = sy - iy * scale;
    this.draw();
  }

  zoom(factor) {
    const [width, height] = this.size;
    const [sx, sy] = this.cursor ? this.toScreen(...this.cursor) : [width / 2, height / 2];
    this.zoomAt(sx, sy, factor);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  // Keys move a cursor; pressing it is a click or, held, a stroke.
  moveCursor(dx, dy) {
    const [width, height] = this.size;
    const [sx, sy] = this.cursor ? this.toScreen(...this.cursor) : [width / 2, height / 2];
    this.cursor = this.toImage(Math.min(Math.max(sx + dx, 0), width), Math.min(Math.max(sy + dy, 0), height));
    this.tool?.move?.(this.cursor, this.pressed);
    this.draw();
  }

  pressCursor(hold) {
    if (!this.cursor) this.moveCursor(0, 0);
    if (hold && this.pressed) {
      this.pressed = false;
      this.tool?.up?.(this.cursor);
    } else {
      this.pressed = hold;
      this.tool?.down?.(this.cursor, {});
      if (!hold) this.tool?.up?.(this.cursor);
    }
    this.draw();
  }

  _down(event) {
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor = null;
    const place = this.toImage(event.offsetX, event.offsetY);
    if (event.button !== 0 || event.altKey || !this.tool?.down) this._dragged = [event.offsetX, event.offsetY];
    else {
      this.pressed = true;
      this.tool.down(place, event);
    }
    this.draw();
  }

  _move(event) {
    if (this._dragged) {
      this.pan(event.offsetX - this._dragged[0], event.offsetY - this._dragged[1]);
      this._dragged = [event.offsetX, event.offsetY];
      return;
    }
    this.tool?.move?.(this.toImage(event.offsetX, event.offsetY), this.pressed, event);
    this.draw();
  }

  _up(event) {
    if (this._dragged) this._dragged = null;
    else if (this.pressed) {
      this.pressed = false;
      this.tool?.up?.(this.toImage(event.offsetX, event.offsetY), event);
    }
    this.draw();
  }

  _resize() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = this.size;
    const fresh = !this.canvas.width || this.canvas.width === 300;
    this.canvas.width = Math.max(width * ratio, 1);
    this.canvas.height = Math.max(height * ratio, 1);
    if (fresh) this.fit();
    this.draw();
  }

  draw() {
    if (this._wanted) return;
    this._wanted = true;
    requestAnimationFrame((now) => {
      this._wanted = false;
      this._paint(now);
      if (this.animated) this.draw();
    });
  }

  _paint(now) {
    const context = this.context;
    const ratio = devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#14171c";
    context.fillRect(0, 0, ...this.size);
    if (!this.photo) return;
    this._paintTiles(context, ratio);
    for (const overlay of this.overlays) overlay(context, now);
    if (this.cursor) {
      context.strokeStyle = this.pressed ? "#ff6b6b" : "#ffd84d";
      context.lineWidth = 1.5;
      drawCross(context, this.toScreen(...this.cursor), 14);
    }
  }

  _paintTiles(context, ratio) {
    const { photo } = this;
    const fine = Math.floor(Math.log2(1 / (this.scale * ratio)) + 0.35);
    const level = Math.min(Math.max(fine, 0), photo.levels - 1);
    context.imageSmoothingEnabled = this.scale * ratio < 3;
    // The coarsest level first, so that something shows while the tiles are on their way.
    for (const k of level === photo.levels - 1 ? [level] : [photo.levels - 1, level]) this._paintLevel(context, k);
  }

  _paintLevel(context, level) {
    const { photo } = this;
    const side = TILE * 2 ** level;
    const [width, height] = this.size;
    const [x0, y0] = this.toImage(0, 0);
    const [x1, y1] = this.toImage(width, height);
    const last = [Math.ceil(photo.width / side) - 1, Math.ceil(photo.height / side) - 1];
    for (let row = Math.max(Math.floor(y0 / side), 0); row <= Math.min(Math.floor(y1 / side), last[1]); row++) {
      for (let column = Math.max(Math.floor(x0 / side), 0); column <= Math.min(Math.floor(x1 / side), last[0]); column++) {
        const image = this._tile(level, column, row);
        if (!image.complete || !image.naturalWidth) continue;
        const [sx, sy] = this.toScreen(column * side, row * side);
        const right = Math.min((column + 1) * side, photo.width);
        const lower = Math.min((row + 1) * side, photo.height);
        context.drawImage(image, sx, sy, (right - column * side) * this.scale, (lower - row * side) * this.scale);
      }
    }
  }

  _tile(level, column, row) {
    const key = `${level}/${column}/${row}`;
    if (!this.tiles.has(key)) {
      const image = new Image();
      image.onload = () => this.draw();
      image.onerror = () => setTimeout(() => this.tiles.delete(key), 2000);
      image.src = kept(`/api/photos/${this.photo.id}/tiles/${key}`);
      this.tiles.set(key, image);
    }
    return this.tiles.get(key);
  }
}
