// Maps of parts: 256 x 256 cells over the box, as runs of values and lengths.

export const GRID = 256;

export function encodeRuns(grid) {
  const runs = [];
  for (let start = 0; start < grid.length; ) {
    let end = start + 1;
    while (end < grid.length && grid[end] === grid[start]) end++;
    runs.push(grid[start], end - start);
    start = end;
  }
  return runs;
}

export function decodeRuns(runs) {
  const grid = new Uint8Array(GRID * GRID);
  let at = 0;
  for (let k = 0; k < runs.length; k += 2) {
    grid.fill(runs[k], at, at + runs[k + 1]);
    at += runs[k + 1];
  }
  return grid;
}

// Cells whose centre lies in a polygon (even-odd rule) of grid coordinates.
export function polygonCells(corners, visit) {
  for (let row = 0; row < GRID; row++) {
    const y = row + 0.5;
    const crossings = [];
    for (let k = 0; k < corners.length; k++) {
      const [x0, y0] = corners[k];
      const [x1, y1] = corners[(k + 1) % corners.length];
      if (y0 > y !== y1 > y) crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    }
    crossings.sort((a, b) => a - b);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const first = Math.max(Math.ceil(crossings[k] - 0.5), 0);
      const last = Math.min(Math.floor(crossings[k + 1] - 0.5), GRID - 1);
      for (let column = first; column <= last; column++) visit(row * GRID + column);
    }
  }
}

// Cells within `radius` pixels of a segment between image places a and b.
export function strokeCells(box, a, b, radius, visit) {
  const [left, top, width, height] = box;
  const sx = width / GRID;
  const sy = height / GRID;
  const lengthSquared = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2;
  const low = (axis, origin, step) => Math.max(Math.floor((Math.min(a[axis], b[axis]) - radius - origin) / step), 0);
  const high = (axis, origin, step) => Math.min(Math.ceil((Math.max(a[axis], b[axis]) + radius - origin) / step), GRID - 1);
  for (let row = low(1, top, sy); row <= high(1, top, sy); row++) {
    const y = top + (row + 0.5) * sy;
    for (let column = low(0, left, sx); column <= high(0, left, sx); column++) {
      const x = left + (column + 0.5) * sx;
      let t = lengthSquared ? ((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / lengthSquared : 0;
      t = Math.min(Math.max(t, 0), 1);
      const dx = x - a[0] - t * (b[0] - a[0]);
      const dy = y - a[1] - t * (b[1] - a[1]);
      if (dx * dx + dy * dy <= radius * radius) visit(row * GRID + column);
    }
  }
}
