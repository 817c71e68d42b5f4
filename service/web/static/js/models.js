/** Which model a view is about. */

/**
 * The model of this name; where no name is given, the one that was trained last, if any.
 * @throws {Error} there is no model of this name
 */
export function chooseModel(models, name) {
  if (name === null || name === undefined) return [...models].sort((a, b) => a.created_at.localeCompare(b.created_at)).at(-1);
  const found = models.find((model) => model.name === name);
  if (found) return found;
  throw new Error(`There is no model called ${name}. It may have been deleted, or the address may be wrong. The list under Models shows what there is.`);
}
