// Owns how numbers and moments look. Always a space before the unit, and a sensible number of digits.

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB'];

/** 5312 as `5.31 kB`: three digits, as far as there are so many. */
export function bytes(n) {
  let step = 0;
  let value = n;
  // 999.5 would be shown as 1000.
  while (value >= 999.5 && step < DECIMAL.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${DECIMAL[step]}`;
}

/** Bytes of memory, in the binary unit that the system's own tools show. */
export function memory(n) {
  return `${(n / 2 ** 30).toFixed(1)} GiB`;
}

export function percent(n) {
  return `${n.toFixed(0)} %`;
}

/** A whole number with its thousands set apart. */
export function count(n) {
  return n.toLocaleString('en');
}

/** How often: `0.4`, `12`, `3.4 k`, at most three digits. */
export function rate(n) {
  if (n < 9.95) {
    return Number.isInteger(n) ? String(n) : n.toFixed(1);
  }
  const [step, unit] = n >= 999_500 ? [1e6, 'M'] : [1e3, 'k'];
  return n < 999.5 ? n.toFixed(0) : `${Number((n / step).toPrecision(3))} ${unit}`;
}

/** A short time, however short: `0.08 ms`, `12 ms`, `1.3 s`. */
export function millis(ms) {
  if (ms >= 1_000) {
    return `${(ms / 1_000).toFixed(ms < 9_950 ? 1 : 0)} s`;
  }
  return `${ms.toFixed(ms < 0.995 ? 2 : ms < 9.95 ? 1 : 0)} ms`;
}

/** A delay: `0.4 s`, `12 s`, `3 min`. */
export function span(ms) {
  return ms < 10_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : age(ms);
}

/** How long ago, in whole units: tenths would flicker and tell nothing. */
export function age(ms) {
  return ms < 120_000 ? `${Math.floor(Math.max(0, ms) / 1000)} s` : `${Math.floor(ms / 60_000)} min`;
}

const twoDigits = (n) => String(n).padStart(2, '0');

/** The time of day here, `14:03:07`. */
export function timeOfDay(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
}
