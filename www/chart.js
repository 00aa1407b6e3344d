// Owns the chart: the span that is in sight, when to draw, the size of the canvases, the reading line
// and the values above the lanes. What is drawn in a lane, and which values there are, is the page's own.
//
// It draws when the picture would differ by a pixel, and not more often: this page shows the load of
// the machine that it may well run on.

import { age as spelled, timeOfDay } from './format.js';
import { gapMarks, GUTTER } from './lanes.js';
import { stateWord } from './words.js';

const COLOURS = ['open', 'waiting', 'polling', 'connecting', 'closed', 'gap', 'grid', 'muted', 'ink', 'surface'];
/** Between two pictures, in milliseconds: no film, and no slide show. */
const [FASTEST, SLOWEST] = [40, 500];
/** A reading older than this is told to be old. */
const STALE_MS = 3_000;

export class Chart {
  #root;
  #history;
  #age;
  #subject;
  #lanes = [];
  #values;
  #colours;
  #spanMs = 60_000;
  #reading = null;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /**
   * `subject` is what the chart is about: `LANES` by name, the `COLOURS` that they use, and
   * `values(sample, none)`, the texts above them.
   */
  constructor(root, history, age, subject) {
    this.#subject = subject;
    this.#root = root;
    this.#history = history;
    this.#age = age;
    this.#values = Object.fromEntries(
      Array.from(root.querySelectorAll('[data-value]'), (value) => [value.dataset.value, value]),
    );
    const sizes = new ResizeObserver((entries) => entries.forEach((entry) => this.#resized(entry)));
    for (const canvas of root.querySelectorAll('canvas')) {
      this.#lanes.push({ name: canvas.dataset.lane, canvas, context: canvas.getContext('2d'), width: 0, height: 0 });
      observe(sizes, canvas);
    }
    this.#readColours();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#readColours();
      this.#draw();
    });
    this.#listen();
    this.#keepDrawing();
  }

  /** How much time is in sight, in seconds. */
  set span(seconds) {
    this.#spanMs = seconds * 1_000;
    this.#reading = null;
    this.#draw();
  }

  #listen() {
    this.#root.addEventListener('pointermove', (event) => {
      const { left, width } = this.#lanes[0].canvas.getBoundingClientRect();
      // Kept as a share of the width: the pointer rests, and the time moves on under it.
      this.#read(Math.min(1, Math.max(0, (event.clientX - left - GUTTER) / (width - GUTTER))));
    });
    this.#root.addEventListener('pointerleave', () => this.#read(null));
    this.#root.addEventListener('blur', () => this.#read(null));
    this.#root.addEventListener('keydown', (event) => {
      const second = 1_000 / this.#spanMs;
      const steps = { ArrowLeft: -second, ArrowRight: second, PageUp: -10 * second, PageDown: 10 * second };
      if (event.key in steps) {
        this.#read(Math.min(1, Math.max(0, (this.#reading ?? 1) + steps[event.key])));
        this.#speak();
        event.preventDefault();
      } else if (event.key === 'Escape') {
        this.#read(null);
      }
    });
  }

  #read(share) {
    this.#reading = share;
    this.#draw();
  }

  /** The moment that the keys have come to, for those who cannot see it. */
  #speak() {
    const captions = Array.from(this.#root.querySelectorAll('figcaption'), (caption) => caption.innerText);
    const text = `${this.#age.textContent}. ${captions.join('. ')}.`;
    this.#root.querySelector('[role=status]').textContent = text.replace(/\s+/g, ' ');
  }

  #readColours() {
    const style = getComputedStyle(this.#root);
    const wanted = [...COLOURS, ...this.#subject.COLOURS];
    this.#colours = Object.fromEntries(wanted.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.#colours.font = `10.5px ${style.getPropertyValue('--mono')}`;
    this.#colours.hatch = hatch(this.#lanes[0].context, this.#colours.muted);
  }

  #resized({ target, contentRect, devicePixelContentBoxSize }) {
    const lane = this.#lanes.find(({ canvas }) => canvas === target);
    lane.width = contentRect.width;
    lane.height = contentRect.height;
    // The exact number of pixels where the browser tells it: with a zoom of 110 % the product is off.
    const exact = devicePixelContentBoxSize?.[0];
    target.width = exact?.inlineSize ?? Math.round(lane.width * devicePixelRatio);
    target.height = exact?.blockSize ?? Math.round(lane.height * devicePixelRatio);
    this.#draw();
  }

  #keepDrawing() {
    // No frame comes while the page is hidden, so nothing is drawn then.
    requestAnimationFrame(() => {
      this.#draw();
      const perPixel = this.#spanMs / Math.max(1, this.#lanes[0].canvas.width);
      const pause = this.#still.matches ? 1_000 : Math.min(SLOWEST, Math.max(FASTEST, perPixel));
      setTimeout(() => this.#keepDrawing(), pause);
    });
  }

  #draw() {
    const to = Date.now();
    const from = to - this.#spanMs;
    for (const { name, canvas, context, width, height } of this.#lanes) {
      if (!width || !height) {
        continue;
      }
      context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
      context.clearRect(0, 0, width, height);
      const x = (at) => GUTTER + ((at - from) / this.#spanMs) * (width - GUTTER);
      const place = (sample) => x(this.#history.placed(sample.time_ms));
      const pen = { name, context, width, height, colours: this.#colours, x, place, from, to };
      this.#subject.LANES[name](pen, this.#history);
      if (name !== 'axis') {
        this.#drawReading(pen);
        gapMarks(pen, this.#history);
      }
    }
    this.#tell(from, to);
  }

  #drawReading({ context, width, height }) {
    if (this.#reading === null) {
      return;
    }
    const at = Math.round(GUTTER + this.#reading * (width - GUTTER)) + 0.5;
    context.strokeStyle = this.#colours.ink;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, height);
    context.stroke();
  }

  /** The values above the lanes: of the moment that is read, or the newest. */
  #tell(from, to) {
    const newest = this.#history.samples.at(-1);
    const read = this.#reading === null ? null : from + this.#reading * this.#spanMs;
    const sample = read === null ? newest : this.#history.at(read);
    const age = newest ? to - this.#history.placed(newest.time_ms) : 0;
    this.#root.classList.toggle('stale', read === null && age > STALE_MS);
    write(this.#age, read !== null ? timeOfDay(read) : age > STALE_MS ? `newest: ${spelled(age)} old` : '');
    write(this.#values.link, read === null ? '' : stateWord(this.#history.stateAt(read) ?? 'not watched yet'));
    const texts = this.#subject.values(sample, read === null ? '–' : 'not heard');
    for (const [name, text] of Object.entries(texts)) {
      write(this.#values[name], text);
    }
  }
}

/** In pixels of the screen where the browser can: they change alone when a window moves to another screen. */
function observe(sizes, canvas) {
  try {
    sizes.observe(canvas, { box: 'device-pixel-content-box' });
  } catch {
    sizes.observe(canvas);
  }
}

/** Writes only what is new: a write of the same text is work for the browser all the same. */
function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Slanting lines, for what is missing. */
function hatch(context, colour) {
  const tile = new OffscreenCanvas(6, 6);
  const pen = tile.getContext('2d');
  pen.strokeStyle = colour;
  pen.globalAlpha = 0.45;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift, 6);
    pen.lineTo(shift + 6, 0);
  }
  pen.stroke();
  return context.createPattern(tile, 'repeat');
}
