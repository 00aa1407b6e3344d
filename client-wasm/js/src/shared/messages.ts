/** What the members of a group say to each other. */

import type { Entry, Excerpt, Place } from './log.js';

export type Message =
  /** Who has come, or lacks something: where it stands, the types it wants. */
  | {
      readonly kind: 'ask';
      readonly from: string;
      readonly place: Place | undefined;
      readonly id: string;
      readonly earliest: boolean;
      readonly types: readonly string[];
    }
  /** The leader's answer: its log from there on, or from its end on where it has no such place. */
  | { readonly kind: 'tell'; readonly to: string; readonly term: number; readonly excerpt: Excerpt }
  /** The leader's next words, right after a place. */
  | { readonly kind: 'words'; readonly term: number; readonly after: Place; readonly entries: readonly Entry[] }
  /** Who has just got the lock asks who has heard more. */
  | { readonly kind: 'lead'; readonly from: string; readonly place: Place | undefined }
  /** The answer: where one stands, and what the new leader lacks. */
  | {
      readonly kind: 'here';
      readonly to: string;
      readonly from: string;
      readonly excerpt: Excerpt | undefined;
      readonly term: number;
    }
  /** The page wants more types. */
  | { readonly kind: 'want'; readonly types: readonly string[] }
  /** A page that is looked at asks whether somebody leads. */
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong'; readonly term: number };

export type MessageOf<Kind extends Message['kind']> = Extract<Message, { readonly kind: Kind }>;
