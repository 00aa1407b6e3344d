// Owns what the page says about the link: the protocol's stable words, in plain English.

const STATES = {
  connecting: 'Connecting',
  open: 'Open',
  waiting: 'Waiting',
  polling: 'Polling',
  closed: 'Closed',
};

const REASONS = {
  // Why a link was lost.
  refused: 'The server cannot be reached, or refused the stream.',
  'connect-timeout': 'Nothing came in time.',
  cut: 'The link was cut.',
  silent: 'The server fell silent.',
  draining: 'The server is shutting down.',
  rotated: 'The stream had reached its longest life.',
  lagged: 'This page was too slow.',
  'token-expired': 'The token has expired.',
  disabled: 'The server’s streaming was switched off.',
  'too-many-connections': 'The server holds as many streams as it may.',
  'too-many-from-address': 'This address holds as many streams as it may: close another page.',
  'too-many-of-identity': 'You hold as many streams as you may: close another page.',
  'too-many-requests': 'This address asks too often.',
  'no-room-for-topic': 'The server keeps as many topics as it may.',
  closing: 'The server ended the stream.',
  'poll-failed': 'Polls fail.',
  // Why the page polls.
  'switched-off': 'Streaming is switched off on this page, so it asks instead.',
  'server-disabled': 'Streaming is switched off on the server, so the page asks instead, and looks again every 30 s.',
  'stream-blocked': 'Streams do not get through, so the page asks instead.',
  // Why nothing more comes.
  'by-page': 'This page closed it.',
  'gave-up': 'All tries are used up.',
  stopped: 'The server told the page to stop.',
};

const GAPS = {
  evicted: 'the server’s history no longer reaches back that far',
  'other-epoch': 'the server’s log was begun anew',
  lagged: 'this page was too slow and was moved forward',
  'bad-cursor': 'the server does not know the place to go on from',
};

/** The state as one word for people. */
export function stateWord(state) {
  return STATES[state] ?? state;
}

/** Why the link is in its state, as a sentence. `detail` is a state event. */
export function why({ state, reason, attempt }) {
  if (reason) {
    // A word of a newer client is better shown as it is than left out.
    return REASONS[reason] ?? `${reason}.`;
  }
  if (state === 'connecting') {
    return attempt ? `Try ${attempt}.` : 'The first try.';
  }
  return state === 'open' ? 'Events come as they happen.' : '';
}

/** Why events are gone, as a clause. */
export function gapWhy(reason) {
  return GAPS[reason] ?? reason;
}
