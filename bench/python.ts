/** The distribution's Python where it is: a wrapper of a version manager would be measured too. */
import { existsSync } from "node:fs";

const DISTRIBUTION = "/usr/bin/python3";

export const PYTHON3 = existsSync(DISTRIBUTION) ? DISTRIBUTION : "python3";
