/** The policy of every page of the site. */

export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

export const POLICY_TAG: string = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
