/** The API key that the person typed in, kept until the tab is closed. */

const NAME = "latentaug-key";

export const key = {
  get: () => sessionStorage.getItem(NAME) ?? "",
  set(text) {
    if (text) sessionStorage.setItem(NAME, text);
    else sessionStorage.removeItem(NAME);
  },
};
