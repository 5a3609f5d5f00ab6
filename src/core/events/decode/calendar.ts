/** Civil dates to seconds, without `Date`: log lines carry dates in pieces, and some carry no year. */

/** Seconds from 1970-01-01 to a date and time of the Gregorian calendar, read as if it were UTC. `month` is 1 to 12. */
export function secondsOfCivil(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number {
  return daysOfCivil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
}

/** Days from 1970-01-01: years are counted from March, so that a leap day is a year's last. */
function daysOfCivil(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

/** 1 to 12 for an English three-letter month at `at`; 0 for anything else. */
export function monthAt(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first < 65 || first > 83) return 0;
  for (let month = 0; month < 12; month++) {
    const name = month * 3;
    if (
      first === MONTHS.charCodeAt(name) &&
      text.charCodeAt(at + 1) === MONTHS.charCodeAt(name + 1) &&
      text.charCodeAt(at + 2) === MONTHS.charCodeAt(name + 2)
    ) {
      return month + 1;
    }
  }
  return 0;
}
