/**
 * The words of a packet's record as numbers, so that reading one is arithmetic and telling which it is compares integers.
 * The words of the record do not collide; one that nobody prints may, and then means what its double means.
 */

/** Goes on with a word, whose value so far is `value` (0 at its beginning), by one character. */
export function nextKey(value: number, code: number): number {
  return (Math.imul(value, 37) + code) | 0;
}

function key(word: string): number {
  let value = 0;
  for (let at = 0; at < word.length; at++) value = nextKey(value, word.charCodeAt(at));
  return value;
}

export const K_IN = key("IN");
export const K_OUT = key("OUT");
export const K_PHYSIN = key("PHYSIN");
export const K_PHYSOUT = key("PHYSOUT");
export const K_MAC = key("MAC");
export const K_SRC = key("SRC");
export const K_DST = key("DST");
export const K_LEN = key("LEN");
export const K_TOS = key("TOS");
export const K_PREC = key("PREC");
export const K_TTL = key("TTL");
export const K_ID = key("ID");
export const K_DF = key("DF");
export const K_MF = key("MF");
export const K_FRAG = key("FRAG");
export const K_OPT = key("OPT");
export const K_PROTO = key("PROTO");
export const K_SPT = key("SPT");
export const K_DPT = key("DPT");
export const K_SPORT = key("SPORT");
export const K_DPORT = key("DPORT");
export const K_SEQ = key("SEQ");
export const K_ACK = key("ACK");
export const K_WINDOW = key("WINDOW");
export const K_AE = key("AE");
export const K_CWR = key("CWR");
export const K_ECE = key("ECE");
export const K_URG = key("URG");
export const K_PSH = key("PSH");
export const K_RST = key("RST");
export const K_SYN = key("SYN");
export const K_FIN = key("FIN");
export const K_URGP = key("URGP");
export const K_TYPE = key("TYPE");
export const K_CODE = key("CODE");
export const K_MTU = key("MTU");
export const K_UID = key("UID");
export const K_GID = key("GID");
export const K_MARK = key("MARK");
export const K_TC = key("TC");
export const K_HOPLIMIT = key("HOPLIMIT");
export const K_FLOWLBL = key("FLOWLBL");
export const K_INCOMPLETE = key("INCOMPLETE");
export const K_TRUNCATED = key("TRUNCATED");
export const K_MACSRC = key("MACSRC");
export const K_MACDST = key("MACDST");
export const K_MACPROTO = key("MACPROTO");
export const K_ARP = key("ARP");
export const K_IPSRC = key("IPSRC");
export const K_IPDST = key("IPDST");
export const K_LL = key("LL");
