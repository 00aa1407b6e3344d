// The page itself: makes its parts, ties them to one link, and opens it.

import { Chart } from './chart.js';
import { Counters } from './counters.js';
import * as host from './host.js';
import { History } from './history.js';
import { Journal } from './journal.js';
import { Lines } from './lines.js';
import { Link } from './link.js';
import { ServerSwitch } from './server-switch.js';
import { Status } from './status.js';

const byId = (id) => document.getElementById(id);

// Relative, so that the page works under any prefix.
const link = new Link('./events', { topics: ['host', 'lines'], compression: true });

const history = new History('host', host.parse);
link.onStream((stream) => history.listen(stream));
const chart = new Chart(byId('chart'), history, byId('age'), host);
const status = new Status(byId('link'), link, ['host', 'message']);
const journal = new Journal(link, byId('journal'));
const counters = new Counters(link, byId('counters'));
const lines = new Lines(link, {
  list: byId('lines'),
  note: byId('lines-count'),
  command: byId('command'),
  copy: byId('copy'),
});
new ServerSwitch(link, byId('server-switch'), journal);

const [stop, pageSwitch, replay] = [byId('stop'), byId('page-switch'), byId('replay')];

stop.addEventListener('click', () => (link.state === 'closed' ? link.start() : link.stop()));

pageSwitch.addEventListener('click', () => {
  link.enabled = !link.enabled;
  nameButtons();
});

replay.addEventListener('click', () => {
  // All of it comes again.
  history.clearSamples();
  lines.clear();
  journal.note('Replay', 'From the oldest event that the server has kept.');
  link.replay();
});

document.querySelectorAll('input[name=span]').forEach((choice) => {
  choice.addEventListener('change', () => (chart.span = Number(choice.value)));
});

function nameButtons() {
  stop.textContent = link.state === 'closed' ? 'Start again' : 'Stop';
  pageSwitch.textContent = link.enabled ? 'Switch this page to polling' : 'Go back to streaming';
}

link.onStream((stream) => stream.addEventListener('state', nameButtons));
link.start();
// A browser may keep the radio buttons of the page's last life.
chart.span = Number(document.querySelector('input[name=span]:checked').value);
setInterval(() => status.update(), 100);
setInterval(() => counters.update(), 500);
