// Small helpers to build the page; texts are never parsed as HTML.

export function el(tag, fields = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name === "on") for (const [kind, call] of Object.entries(value)) node.addEventListener(kind, call);
    else if (name === "style") Object.assign(node.style, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(text, key, call, fields = {}) {
  return el("button", { type: "button", on: { click: call }, ...fields }, text, key ? [" ", el("kbd", {}, key)] : []);
}

export function drawCross(context, [x, y], reach) {
  context.beginPath();
  context.moveTo(x - reach, y);
  context.lineTo(x + reach, y);
  context.moveTo(x, y - reach);
  context.lineTo(x, y + reach);
  context.stroke();
}

export const $ = (id) => document.getElementById(id);

// Left is cool, right is warm, the middle green.
export function partColours(parts) {
  const colours = [null];
  const seen = { left: 0, right: 0, middle: 0 };
  for (const part of parts) {
    let side = "middle";
    if (part.mirror !== part.number) {
      side = /left/i.test(part.name) ? "left" : /right/i.test(part.name) ? "right"
        : part.number < part.mirror ? "left" : "right";
    }
    const k = seen[side]++;
    const hue = { left: 190 + ((k * 23) % 92), right: 350 + ((k * 17) % 66), middle: 95 + ((k * 37) % 80) }[side];
    colours.push([hue % 360, 72, 46 + 8 * (k % 3)]);
  }
  return colours;
}

export const css = ([h, s, l], alpha = 1) => `hsl(${h} ${s}% ${l}% / ${alpha})`;

export function rgb([h, s, l]) {
  const a = (s / 100) * Math.min(l / 100, 1 - l / 100);
  const f = (n) => {
    const k = (n + h / 30) % 12;
    return l / 100 - a * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return [f(0), f(8), f(4)];
}
