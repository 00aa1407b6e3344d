// Owns how lanes are drawn: their lines, areas, levels and marks, and the two lanes that every chart has, the
// link and the axis. What is special to one page is in lanes of its own. All read the history and write
// pixels; where a moment lies, how large the lane is and which colours hold is handed to them.
//
// What was not heard is not drawn: a line stops where a sample is missing, and the place is hatched.

/** Where the lines begin: to the left of it stand the names of the levels. In CSS pixels. */
export const GUTTER = 60;
export const QUIET = 1;
export const STRONG = 2;
const BEAT = [[-9, 0], [-5, 0], [-2, -7], [1.5, 9], [5, -14], [7.5, 0], [9, 0]];

// `pen` is what a lane draws with: `{ name, context, width, height, colours, x, place, from, to }`.

export function link(pen, history) {
  const { context, width, height, colours, x, from, to } = pen;
  // Room above for the words, below for the deepest point of a heartbeat.
  const middle = height - 13;
  history.states.forEach(({ at, state }, index) => {
    const until = history.states[index + 1]?.at ?? to;
    if (until < from) {
      return;
    }
    const dashes = { open: [], polling: [7, 5], closed: [1, 9] }[state] ?? [2, 4];
    context.strokeStyle = colours[state];
    context.lineWidth = state === 'open' ? STRONG : QUIET * 1.5;
    context.setLineDash(dashes);
    context.beginPath();
    context.moveTo(x(at), middle);
    context.lineTo(Math.min(x(until), width), middle);
    context.stroke();
  });
  context.setLineDash([]);
  context.strokeStyle = colours.open;
  context.lineWidth = STRONG;
  context.lineJoin = 'round';
  const beats = history.heartbeats.filter((at) => at > from);
  // In a long span they stand close, and are drawn the smaller.
  const room = beats.length > 1 ? (x(beats.at(-1)) - x(beats[0])) / (beats.length - 1) : Infinity;
  const size = Math.min(1, Math.max(0.2, room / 24));
  for (const at of beats) {
    beat(pen, x(at), middle, size);
  }
  names(pen, [], x);
}

/** A heartbeat, as a cardiograph would draw it; the wire under it is taken away first. */
function beat({ context, colours }, centre, middle, size) {
  context.fillStyle = colours.surface;
  context.fillRect(centre - 9 * size, middle - 2, 18 * size, 4);
  context.beginPath();
  for (const [dx, dy] of BEAT) {
    context.lineTo(centre + dx * size, middle + dy * Math.sqrt(size));
  }
  context.stroke();
}

export function axis(pen) {
  const { context, colours, width, x } = pen;
  context.fillStyle = colours.muted;
  context.font = colours.font;
  context.textBaseline = 'top';
  context.textAlign = 'center';
  for (const [at, text] of ticks(pen)) {
    if (x(at) > GUTTER && x(at) < width - 28) {
      context.fillText(text, x(at), 5);
    }
  }
}

/** The samples in sight, in runs between which some are missing. */
export function runsOf({ from }, history) {
  const longest = history.longestStep;
  const runs = [];
  let last;
  for (const sample of history.samples) {
    // One step more to the left, so that the line enters the lane from outside.
    if (history.placed(sample.time_ms) < from - longest) {
      continue;
    }
    if (last === undefined || sample.time_ms - last > longest) {
      runs.push([]);
    }
    runs.at(-1).push(sample);
    last = sample.time_ms;
  }
  return runs;
}

export function line({ context, place }, runs, y, colour, width, dashes = []) {
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = width;
  context.lineJoin = 'round';
  context.setLineDash(dashes);
  context.beginPath();
  for (const run of runs) {
    run.forEach((sample, index) => {
      context[index ? 'lineTo' : 'moveTo'](place(sample), y(sample));
    });
  }
  context.stroke();
  context.setLineDash([]);
  // A line of one point has no length: without a dot a lone sample would not be seen.
  for (const [only] of runs.filter(({ length }) => length === 1)) {
    context.beginPath();
    context.arc(place(only), y(only), width, 0, 2 * Math.PI);
    context.fill();
  }
}

export function area({ context, place, height }, runs, y, colour) {
  context.fillStyle = colour;
  context.globalAlpha = 0.12;
  for (const run of runs) {
    context.beginPath();
    context.moveTo(place(run[0]), height);
    for (const sample of run) {
      context.lineTo(place(sample), y(sample));
    }
    context.lineTo(place(run.at(-1)), height);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** Hatches what is missing between the runs. */
export function hatch({ context, height, colours, place }, runs) {
  context.fillStyle = colours.hatch;
  for (let i = 1; i < runs.length; i += 1) {
    const [left, right] = [place(runs[i - 1].at(-1)), place(runs[i][0])];
    context.fillRect(left + 2, 0, Math.max(1, right - left - 4), height);
  }
}

/** Marks what the server told of: in every lane, since it holds for every topic. */
export function gapMarks({ name, context, height, colours, x, from }, history) {
  context.strokeStyle = colours.gap;
  context.fillStyle = colours.gap;
  context.font = colours.font;
  context.textBaseline = 'top';
  context.textAlign = 'left';
  context.lineWidth = 1.5;
  for (const gap of history.gaps) {
    const at = history.placeOf(gap);
    if (at < from) {
      continue;
    }
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x(at), 0);
    context.lineTo(x(at), height);
    context.stroke();
    if (name === 'link') {
      const text = `gap: ${gap.reason}`;
      const { width } = context.measureText(text);
      // Before the mark, where it does not cover what came after; behind it where there is no room.
      const left = x(at) > GUTTER + width ? x(at) - width - 5 : x(at) + 5;
      context.fillText(text, left, 0);
    }
  }
  context.setLineDash([]);
}

export function grid(pen, levels, y) {
  const { context, width, height, colours, x } = pen;
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const [level] of levels) {
    const at = Math.round(y(level)) + 0.5;
    context.moveTo(GUTTER, at);
    context.lineTo(width, at);
  }
  for (const [at] of ticks(pen)) {
    context.moveTo(x(at), 0);
    context.lineTo(x(at), height);
  }
  context.stroke();
}

/** The names of the levels, beside the lines: what went out of sight to the left is taken away first. */
export function names({ context, height, colours }, levels, y) {
  context.clearRect(0, 0, GUTTER, height);
  context.fillStyle = colours.muted;
  context.font = colours.font;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const [level, text] of levels) {
    context.fillText(text, GUTTER - 8, Math.max(6, y(level)));
  }
}

/** From 0 at the foot of the lane to `top`, with room for the width of a line at both ends. */
export function scale({ height }, top) {
  return (value) => height - 2 - (Math.min(value, top) / top) * (height - 4);
}

/** The moments that the axis names, with their names. */
function ticks({ from, to, width }) {
  const wanted = (to - from) / Math.max(2, (width - GUTTER) / 110);
  const step = 1_000 * ([5, 10, 15, 30, 60, 120, 180, 300].find((seconds) => seconds * 1_000 >= wanted) ?? 600);
  const list = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    const time = new Date(at).toTimeString();
    list.push([at, time.slice(0, step < 60_000 ? 8 : 5)]);
  }
  return list;
}

/** The next of 1, 2, 5, 10, 20, 50, … */
export function roundUp(value) {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * ten).find((round) => round >= value);
}
