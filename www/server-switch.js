// Owns the button of the server's half of the switch. A page may throw it only where the server offers
// the route for that; where it does not, the button goes away.

const HEALTH = './events/health';
const SWITCH = './events/switch';
/** No such route, no such method, or not for this page. */
const NOT_OFFERED = [401, 403, 404, 405, 501];

export class ServerSwitch {
  #button;
  #journal;
  #enabled = true;

  constructor(link, button, journal) {
    this.#button = button;
    this.#journal = journal;
    button.addEventListener('click', () => this.#throw());
    link.onStream((stream) => {
      // The link tells of the server's switch where it can; between two states of it nobody asks.
      stream.addEventListener('state', ({ state, reason }) => {
        if (state === 'open') {
          this.#show(true);
        } else if (reason === 'server-disabled' || reason === 'disabled') {
          this.#show(false);
        }
      });
    });
    this.#ask();
  }

  async #ask() {
    try {
      const { enabled } = await (await fetch(HEALTH)).json();
      this.#show(enabled);
      this.#button.hidden = false;
    } catch {
      // Without an answer there is nothing to throw; the link tells that the server is away.
    }
  }

  async #throw() {
    this.#button.disabled = true;
    try {
      const answer = await fetch(SWITCH, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ enabled: !this.#enabled }),
      });
      if (answer.ok) {
        this.#show((await answer.json()).enabled);
        this.#journal.note('Switch', `Streaming was switched ${this.#enabled ? 'on' : 'off'} at the server.`);
      } else {
        this.#button.hidden = NOT_OFFERED.includes(answer.status);
        this.#journal.note('Switch', `The server refused: status ${answer.status}.`);
      }
    } catch {
      this.#journal.note('Switch', 'The server could not be reached.');
    }
    this.#button.disabled = false;
  }

  #show(enabled) {
    this.#enabled = enabled;
    this.#button.textContent = `Switch the server’s streaming ${enabled ? 'off' : 'on'}`;
  }
}
