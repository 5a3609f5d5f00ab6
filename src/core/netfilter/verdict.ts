/**
 * What a rule or a chain decided, in the words of the public contract.
 *
 * `reject` is a drop that also answers the sender; the kernel reports it as `drop`, the rule tells the difference.
 * `jump` and `goto` name the next chain elsewhere.
 */
export type Verdict =
  | "accept"
  | "drop"
  | "continue"
  | "return"
  | "jump"
  | "goto"
  | "queue"
  | "stolen"
  | "repeat"
  | "reject";
