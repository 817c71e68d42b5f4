/** Which model a view is about. */

/** The model of this name or, if there is none, the one that was trained last. */
export function chooseModel(models, name) {
  const byAge = [...models].sort((a, b) => a.created_at.localeCompare(b.created_at));
  return models.find((model) => model.name === name) ?? byAge.at(-1);
}
