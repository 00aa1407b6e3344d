/** From the text of an event to what the page gets: parsed and validated, where the page wishes. */

import { StreamErrorEvent } from './events.js';
import type { CheckedOptions } from './options.js';
import type { SchemaResult, Validator } from './types.js';

/**
 * What makes the data of events out of their text; `undefined` where the data are the text. It throws the
 * {@link StreamErrorEvent} that the page gets in the event's stead.
 */
export function reader({ parse, validate = {} }: CheckedOptions): ((text: string, type: string) => unknown) | undefined {
  if (!parse && !Object.keys(validate).length) {
    return undefined;
  }
  return (text, type) => {
    let failure = 'parse-failed';
    try {
      const data = parse === 'json' ? JSON.parse(text) : parse ? parse(text, type) : text;
      failure = 'invalid-data';
      const validator = Object.hasOwn(validate, type) && validate[type];
      return validator ? valid(validator, data) : data;
    } catch (cause) {
      // Nothing of the payload, which must not get into a log. What was thrown may tell of it; that is the page's own.
      throw new StreamErrorEvent(failure, `the data of an event of type "${type}" ${failure === 'parse-failed' ? 'cannot be parsed' : 'are not valid'}`, null, cause);
    }
  };
}

function valid(validator: Validator<unknown>, data: unknown): unknown {
  // First, since a schema may be a function as well.
  if ('~standard' in validator) {
    return outcome(validator['~standard'].validate(data));
  }
  return validator(data);
}

function outcome(result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>): unknown {
  if (result instanceof Promise) {
    // Nobody else will look at what becomes of it.
    result.catch(() => {});
    // Events that wait for their schemas would come late, or out of order.
    throw new TypeError('heartwire: a schema must not be asynchronous');
  }
  if (result.issues) {
    throw result.issues;
  }
  return result.value;
}
