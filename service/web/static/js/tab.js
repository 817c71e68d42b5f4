/** The tab's title: the view, and how far the job has come that was started last. */

let view = "";
let progress = "";

const show = () => { document.title = `${progress}${view} · latentaug`; };

export const tab = {
  /** @param {string} title of the view */
  view(title) {
    view = title;
    show();
  },
  /** @param {number|null} fraction of the running job; null where none runs */
  progress(fraction) {
    progress = fraction === null ? "" : `${Math.round(100 * fraction)} % · `;
    show();
  },
};
