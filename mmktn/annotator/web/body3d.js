// The turning body: WebGL, no library. A point is a dot, pale where the body hides it.

import { rgb } from "./dom.js";

const VERTEX = `#version 300 es
in vec3 place; in vec3 normal; in vec3 tint;
uniform mat4 matrix; uniform mat3 turn; out vec3 shade;
void main() {
  gl_Position = matrix * vec4(place, 1.0);
  vec3 n = normalize(turn * normal);
  float light = 0.45 + 0.5 * max(dot(n, normalize(vec3(0.3, 0.5, 0.8))), 0.0) + 0.12 * max(dot(n, normalize(vec3(-0.8, 0.1, 0.4))), 0.0);
  shade = tint * light;
}`;
const FRAGMENT = `#version 300 es
precision mediump float; in vec3 shade; out vec4 colour;
void main() { colour = vec4(shade, 1.0); }`;
const DOT_VERTEX = `#version 300 es
uniform mat4 matrix; uniform vec3 place; uniform float size;
void main() { gl_Position = matrix * vec4(place, 1.0); gl_Position.z -= 0.004; gl_PointSize = size; }`;
const DOT_FRAGMENT = `#version 300 es
precision mediump float; uniform vec4 tint; out vec4 colour;
void main() { float r = length(gl_PointCoord - 0.5); if (r > 0.5) discard; colour = r > 0.36 ? vec4(1.0, 1.0, 1.0, tint.a) : tint; }`;

export class Body3d {
  constructor(canvas, bytes, colours) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
    const [count, faces] = new Uint32Array(bytes, 0, 2);
    this.places = new Float32Array(bytes, 8, 3 * count);
    this.normals = new Float32Array(bytes, 8 + 12 * count, 3 * count);
    this.faces = new Uint32Array(bytes, 8 + 24 * count, 3 * faces);
    this.parts = new Uint8Array(bytes, 8 + 24 * count + 12 * faces, count);
    this.colours = colours.map((colour) => colour && rgb(colour));
    this.point = null;
    this.yaw = 0;
    this.tilt = 0.08;
    this.held = null;
    const low = [0, 1, 2].map((k) => this.places.reduce((a, v, i) => (i % 3 === k ? Math.min(a, v) : a), Infinity));
    const high = [0, 1, 2].map((k) => this.places.reduce((a, v, i) => (i % 3 === k ? Math.max(a, v) : a), -Infinity));
    this.centre = low.map((v, k) => (v + high[k]) / 2);
    const half = low.map((v, k) => (high[k] - v) / 2);
    this.radius = Math.hypot(...half);
    this.extent = [Math.hypot(half[0], half[2]), half[1]];
    if (!this.gl) {
      canvas.replaceWith(document.createTextNode("No WebGL here: the turning body is off."));
      return;
    }
    this._build();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.held = [event.offsetX, event.offsetY];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.held) return;
      this.yaw += (event.offsetX - this.held[0]) * 0.012;
      this.tilt = Math.min(Math.max(this.tilt + (event.offsetY - this.held[1]) * 0.012, -1.4), 1.4);
      this.held = [event.offsetX, event.offsetY];
      this.still = true;
    });
    canvas.addEventListener("pointerup", () => (this.held = null));
    this.running = true;
    requestAnimationFrame((now) => this._frame(now));
  }

  stop() {
    this.running = false;
  }

  turn(radians) {
    this.yaw += radians;
    this.still = true;
  }

  highlight(part) {
    const tints = new Float32Array(this.places.length);
    this.parts.forEach((number, k) => tints.set(number === part && this.colours[number] ? this.colours[number] : [0.78, 0.8, 0.83], 3 * k));
    this._fill(this.tintBuffer, tints);
  }

  // Shows a point and turns its side to the viewer.
  show(position) {
    this.point = position;
    if (!position || !this.gl) return;
    this.still = false;
    let best = 0;
    let least = Infinity;
    for (let k = 0; k < this.parts.length; k++) {
      const d = Math.hypot(...[0, 1, 2].map((a) => this.places[3 * k + a] - position[a]));
      if (d < least) [least, best] = [d, k];
    }
    const [nx, , nz] = this.normals.subarray(3 * best, 3 * best + 3);
    this.facing = Math.hypot(nx, nz) > 0.2 ? -Math.atan2(nx, nz) : this.facing ?? 0;
    this.since = performance.now();
    this.from = this.yaw;
  }

  _build() {
    const { gl } = this;
    this.program = this._program(VERTEX, FRAGMENT);
    this.dots = this._program(DOT_VERTEX, DOT_FRAGMENT);
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    this.tintBuffer = gl.createBuffer();
    const tints = new Float32Array(this.places.length).fill(0.8);
    for (const [name, values, buffer] of [["place", this.places, gl.createBuffer()], ["normal", this.normals, gl.createBuffer()], ["tint", tints, this.tintBuffer]]) {
      const at = gl.getAttribLocation(this.program, name);
      this._fill(buffer, values);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.faces, gl.STATIC_DRAW);
    gl.enable(gl.DEPTH_TEST);
  }

  _fill(buffer, values) {
    if (!this.gl) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.DYNAMIC_DRAW);
  }

  _program(vertex, fragment) {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return program;
  }

  _frame(now) {
    if (!this.running || !this.canvas.isConnected) return;
    requestAnimationFrame((next) => this._frame(next));
    if (this.canvas.offsetParent === null || (this.drawn && now - this.drawn < 33)) return;
    this.drawn = now;
    if (!this.still && !this.held) {
      if (this.point) {
        // Turn to the point, then sway about it.
        const share = Math.min((now - this.since) / 450, 1);
        const way = Math.atan2(Math.sin(this.facing - this.from), Math.cos(this.facing - this.from));
        const sway = share < 1 ? 0 : 0.55 * Math.sin((now - this.since - 450) / 900);
        this.yaw = this.from + way * share * (2 - share) + sway;
      } else this.yaw = now / 2500;
    }
    this._paint();
  }

  _paint() {
    const { gl, canvas } = this;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.913, 0.929, 0.949, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const [cy, sy, ct, st] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.tilt), Math.sin(this.tilt)];
    // Columns of: turn about y by yaw, then about x by tilt.
    const turn = [cy, st * sy, -ct * sy, 0, ct, st, sy, -st * cy, ct * cy];
    const aspect = canvas.height / canvas.width;
    // It fits however it is turned.
    const k = 0.93 / Math.max(this.extent[0] * aspect, this.extent[1]);
    const rows = [k * aspect, k, -0.5 / this.radius];
    const m = new Float32Array(16);
    for (let column = 0; column < 3; column++) for (let row = 0; row < 3; row++) m[4 * column + row] = rows[row] * turn[3 * column + row];
    for (let row = 0; row < 3; row++) m[12 + row] = -(m[row] * this.centre[0] + m[4 + row] * this.centre[1] + m[8 + row] * this.centre[2]);
    m[15] = 1;
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(gl.getUniformLocation(this.program, "matrix"), false, m);
    gl.uniformMatrix3fv(gl.getUniformLocation(this.program, "turn"), false, new Float32Array(turn));
    gl.bindVertexArray(this.array);
    gl.drawElements(gl.TRIANGLES, this.faces.length, gl.UNSIGNED_INT, 0);
    if (!this.point) return;
    gl.useProgram(this.dots);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniformMatrix4fv(gl.getUniformLocation(this.dots, "matrix"), false, m);
    gl.uniform3fv(gl.getUniformLocation(this.dots, "place"), this.point);
    gl.uniform1f(gl.getUniformLocation(this.dots, "size"), 13 * ratio);
    for (const [test, alpha] of [[gl.GREATER, 0.35], [gl.LEQUAL, 1]]) {
      gl.depthFunc(test);
      gl.uniform4f(gl.getUniformLocation(this.dots, "tint"), 0.84, 0.12, 0.24, alpha);
      gl.drawArrays(gl.POINTS, 0, 1);
    }
    gl.depthFunc(gl.LEQUAL);
    gl.disable(gl.BLEND);
  }
}
