/**
 * What to say on a Node that is too old for Outhaul; undefined on one that will do. It runs on the old ones too.
 * @param {string} version as `process.versions.node` has it
 * @returns {string | undefined}
 */
export function nodeTooOld(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return undefined;
  return `outhaul needs Node 20.19 or newer, and this is Node ${version}. Install a newer one: https://nodejs.org`;
}
