/** Answers to questions about packets of which not everything is known: Kleene's logic of three values. */
import type { Direction } from "./filter.ts";

/** True, false, or null where nobody told. */
export type Answer = boolean | null;

export function sides(direction: Direction, src: Answer, dst: Answer): Answer {
  switch (direction) {
    case "src":
      return src;
    case "dst":
      return dst;
    case "either":
      return either(src, dst);
    case "both":
      return both(src, dst);
  }
}

export function equal<Value>(seen: Value | null, wanted: Value): Answer {
  return seen === null ? null : seen === wanted;
}

export function signed(answer: Answer, operator: "=" | "!="): Answer {
  return answer === null ? null : answer === (operator === "=");
}

export function both(left: Answer, right: Answer): Answer {
  if (left === false || right === false) return false;
  return left === null || right === null ? null : true;
}

export function either(left: Answer, right: Answer): Answer {
  if (left === true || right === true) return true;
  return left === null || right === null ? null : false;
}
