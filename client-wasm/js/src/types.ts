/** What a page says of the events that its server publishes, and what follows for the types of a stream. */

import type { EventStreamEventMap, GapEvent } from './events.js';

/** Whether `Events` names its types, and does not just allow all. */
type Named<Events> = string extends keyof Events ? false : true;

/** The types of the events that a server publishes. */
export type TypeOf<Events extends object> = keyof Events & string;

/** The data of the events of type `Type`. */
export type DataOf<Events extends object, Type extends string> = Type extends keyof Events ? Events[Type] : string;

/** An event that a server published. */
export interface TypedMessageEvent<Type extends string, Data> extends MessageEvent<Data> {
  readonly type: Type;
}

/**
 * What a listener for `Type` gets: an event of the stream's own, or one that the server published. A server may
 * publish under the names of the stream's own; where `Events` says that it does, a listener gets both.
 */
export type EventOf<Events extends object, Type extends string> = Type extends keyof EventStreamEventMap
  ? EventStreamEventMap[Type] | (Named<Events> extends true ? (Type extends keyof Events ? TypedMessageEvent<Type, Events[Type]> : never) : never)
  : TypedMessageEvent<Type, DataOf<Events, Type>>;

/** What `for await` gives: an event that the server published, or the word that some are gone. */
export type StreamEvent<Events extends object> =
  | (Named<Events> extends true
      ? { [Type in TypeOf<Events>]: TypedMessageEvent<Type, Events[Type]> }[TypeOf<Events>]
      : MessageEvent<DataOf<Events, string>>)
  | GapEvent;

/**
 * A schema of any library that keeps to {@link https://standardschema.dev | Standard Schema}: Zod, Valibot, ArkType
 * and others. Only what is needed of it.
 */
export interface StandardSchema<Data> {
  /** What the standard asks of a schema. */
  readonly '~standard': StandardSchemaProps<Data>;
}

/** What is in a {@link StandardSchema}. */
export interface StandardSchemaProps<Data> {
  /** The version of the standard. */
  readonly version: 1;
  /** The name of the library. */
  readonly vendor: string;
  /** Looks at a value. A promise is refused: events would come late, or out of order. */
  readonly validate: (value: unknown) => SchemaResult<Data> | Promise<SchemaResult<Data>>;
  /** For the compiler alone: there is nothing there. */
  readonly types?: SchemaTypes<Data> | undefined;
}

/** The types that a schema takes and gives. */
export interface SchemaTypes<Data> {
  /** What it takes. */
  readonly input: unknown;
  /** What it gives. */
  readonly output: Data;
}

/** What a {@link StandardSchema} makes of a value. */
export type SchemaResult<Data> = ValidResult<Data> | InvalidResult;

/** The value is valid. */
export interface ValidResult<Data> {
  /** What the page gets. */
  readonly value: Data;
  /** There are none. */
  readonly issues?: undefined;
}

/** The value is not valid. */
export interface InvalidResult {
  /** What is wrong with it. */
  readonly issues: readonly unknown[];
}

/**
 * Looks at the data of an event before the page does. What it returns is what the page gets; what it throws makes
 * the event an `error` event with code `invalid-data`.
 */
export type Validator<Data> = ((data: unknown) => Data) | StandardSchema<Data>;
