// Gives back what it is given.

import { log } from "flowstone:plugin/log@0.1.0";

const SHAPES = ["nothing", "circle", "path", "named"];
const COLORS = ["red", "green-blue"];

/** How many bytes a text has in UTF-8. */
const bytesOf = (text) => unescape(encodeURIComponent(text)).length;

export const shapes = {
  area(shape) {
    if (shape.tag !== "circle") throw `shape ${SHAPES.indexOf(shape.tag)} has no area`;
    log("info", "a circle");
    return 3 * shape.val * shape.val;
  },
};

export const sizes = {
  area: (shape) => (shape.tag === "path" ? shape.val.length : null),
};

export function scalars(a, b, c, d, e, f, g) {
  const sum = a + Number(b) + c + e.codePointAt(0) + bytesOf(f) + g.length;
  return d ? sum : -sum;
}

export function maybe(a, b, [number, text], d) {
  const y = bytesOf(b ?? "") + number + bytesOf(text) + (d.tag === "ok" ? d.val : 0);
  return [{ x: a ?? 7, y }, null];
}

export function add(shapes, marks, color) {
  const bits = (marks.bold ? 1 : 0) + (marks.wide ? 2 : 0);
  return [...shapes, { tag: "named", val: [String(bits), COLORS.indexOf(color)] }];
}

export function turn(parcel) {
  return {
    ...parcel,
    id: parcel.id + 1,
    checked: { tag: parcel.checked.tag === "ok" ? "err" : "ok" },
    marks: { bold: !parcel.marks.bold, wide: !parcel.marks.wide },
    ratio: parcel.ratio * -2,
    offset: parcel.offset.map((part) => -part),
    shapes: parcel.shapes.toReversed(),
  };
}

export function some(text) {
  if (text === "trap") throw new Error("so it goes");
  return text === "" ? null : text;
}

export function nothing(text) {
  if (text !== "") throw text;
}

export function bare(text) {
  if (text === "") throw undefined;
  return text;
}

export function nested(lists) {
  const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
  return [lists.length, lists.flat().map(bytes)];
}

export function columns(points) {
  const columns = points.filter((point) => point != null).map((point) => Math.trunc(point.x));
  return columns.length > 0 ? columns : null;
}
