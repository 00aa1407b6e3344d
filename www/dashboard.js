// The dashboard itself: makes its parts, ties them to one link, and opens it.

import { Chart } from './chart.js';
import { Figures } from './figures.js';
import { History } from './history.js';
import { Link } from './link.js';
import * as stats from './stats.js';
import { Status } from './status.js';
import { Ends, Refusals, Slow, Topics } from './tables.js';

const byId = (id) => document.getElementById(id);

// Relative, so that the page works under any prefix. The topic is the hub's own: only an operator may read it,
// and it is published only while somebody does.
const link = new Link('./events', { topics: ['$stats'] });

const parser = new stats.Parser();
const history = new History('stats', (text) => parser.parse(text));
const chart = new Chart(byId('chart'), history, byId('age'), stats);
const status = new Status(byId('link'), link, ['stats']);
const parts = [
  new Figures(byId('figures'), byId('pool')),
  new Topics(byId('topics'), byId('topics-count')),
  new Slow(byId('slow')),
  new Refusals(byId('refusals'), byId('refusals-count')),
  new Ends(byId('ends')),
];

link.onStream((stream) => {
  history.listen(stream);
  stream.addEventListener('stats', () => {
    const newest = history.samples.at(-1);
    if (newest) {
      parts.forEach((part) => part.show(newest));
    }
  });
});

document.querySelectorAll('input[name=span]').forEach((choice) => {
  choice.addEventListener('change', () => (chart.span = Number(choice.value)));
});

link.start();
// A browser may keep the radio buttons of the page's last life.
chart.span = Number(document.querySelector('input[name=span]:checked').value);
setInterval(() => status.update(), 100);
