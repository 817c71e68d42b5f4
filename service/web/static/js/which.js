/** Which model and which data set a view is about. */

/** Models or uploads, the oldest first. */
export const byAge = (things) => [...things].sort((a, b) => a.created_at.localeCompare(b.created_at));

/** The data set that was uploaded last, if any. */
export const lastUpload = (datasets) => byAge(datasets.filter((dataset) => !dataset.built_in)).at(-1);

/**
 * The model of this name; where no name is given, the one that was trained last, if any.
 * @throws {Error} there is no model of this name
 */
export function chooseModel(models, name) {
  if (name === null || name === undefined) return byAge(models).at(-1);
  const found = models.find((model) => model.name === name);
  if (found) return found;
  throw new Error(`There is no model called ${name}. It may have been deleted, or the address may be wrong. The list under Models shows what there is.`);
}

/**
 * The data set of this name; where no name is given, the one that was uploaded last, or the first.
 * @throws {Error} there is no data set of this name among these
 */
export function chooseDataset(datasets, name) {
  if (name === null || name === undefined) return lastUpload(datasets) ?? datasets[0];
  const found = datasets.find((dataset) => dataset.name === name);
  if (found) return found;
  throw new Error(`There is no such data set here: ${name}. It may have been deleted, or none of its images has a label. The list under Data sets shows what there is.`);
}
