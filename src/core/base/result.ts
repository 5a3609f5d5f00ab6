/**
 * The world's refusals are values, our own mistakes are exceptions.
 *
 * A function that can be refused by its input or by the host returns a `Result`; one that is called wrongly
 * throws. So a `catch` in this code base always means a defect or a foreign library.
 */
export type Result<Value, Refusal> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Refusal };

export function ok<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value };
}

export function refused<Refusal>(error: Refusal): { readonly ok: false; readonly error: Refusal } {
  return { ok: false, error };
}

/** Ends a `switch` over a union: the compiler refuses a case that was forgotten. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${String(value)}`);
}
