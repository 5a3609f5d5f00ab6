/**
 * One JSON object of a tool's, read field by field. What nobody asked for is left over and can be told, so that a condition
 * or an attribute of a newer tool is not lost in silence.
 */

export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Objects of an array; anything else holds none. */
export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((item) => isObject(item) && Object.keys(item).length > 0) : [];
}

export class Fields {
  readonly #object: JsonObject;
  readonly #left: Set<string>;

  constructor(object: JsonObject) {
    this.#object = object;
    this.#left = new Set(Object.keys(object));
  }

  /** Numbers are taken as their digits. Null: not there, or neither text nor number. */
  text(key: string): string | null {
    const value = this.#take(key);
    if (typeof value === "number") return String(value);
    return typeof value === "string" ? value : null;
  }

  /** Decimal or `0x…`. */
  number(key: string): number | null {
    const value = this.#take(key);
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    return typeof value === "string" && /^(0x[\da-f]+|\d+)$/i.test(value) ? Number(value) : null;
  }

  /** Tools write flags as `"not": null`, `"router": true`: being there is what counts. */
  has(key: string): boolean {
    const isThere = key in this.#object && this.#object[key] !== false;
    this.#left.delete(key);
    return isThere;
  }

  texts(key: string): readonly string[] {
    const value = this.#take(key);
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  }

  objects(key: string): readonly JsonObject[] {
    return objectsOf(this.#take(key));
  }

  object(key: string): JsonObject | null {
    const value = this.#take(key);
    return isObject(value) ? value : null;
  }

  /** Says nothing that matters here. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#left.delete(key);
  }

  /** What is left over, as words. */
  rest(): readonly string[] {
    return [...this.#left].map((key) => {
      const value = this.#object[key];
      if (value === null || value === true) return key;
      return `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`;
    });
  }

  #take(key: string): unknown {
    this.#left.delete(key);
    return this.#object[key];
  }
}
