/** The plane that the latent map shows: where each training image lies on it, and where any other latent does. */

import { scale } from "./plot.js";

const NEAREST = 5;

export class Projection {
  /**
   * @param {object} found the API's answer: `points`, and `mean` and `components` (PCA) or `latents` (UMAP)
   * @param {number} side of the square figure, in its own units
   * @param {number} edge free space round it
   */
  constructor(found, side, edge) {
    const xs = found.points.map(([x]) => x);
    const ys = found.points.map(([, y]) => y);
    Object.assign(this, found);
    this.x = scale(Math.min(...xs), Math.max(...xs), edge, side - edge);
    this.y = scale(Math.min(...ys), Math.max(...ys), side - edge, edge);
    this.order = found.points.map((_, i) => i).sort((a, b) => xs[a] - xs[b]); // from left to right
  }

  /** Where training image `i` lies in the figure. */
  pointAt(i) {
    return this.#inFigure(this.points[i]);
  }

  /** Where any latent lies in the figure. */
  place(latent) {
    return this.#inFigure(this.latents ? this.#amongNearest(latent) : this.#onPlane(latent));
  }

  /** What the figure's directions mean. */
  explanation() {
    if (!this.explained) return `Similar images lie close together; the distance between clusters means nothing. A new image is placed among the ${NEAREST} images nearest to it.`;
    const [across, up] = this.explained.map((share) => `${Math.round(100 * share)} %`);
    return `The two axes show ${across} and ${up} of the variance of the latents.`;
  }

  #inFigure([x, y]) {
    return [this.x(x), this.y(y)];
  }

  #onPlane(latent) {
    return this.components.map((axis) => axis.reduce((sum, weight, i) => sum + weight * (latent[i] - this.mean[i]), 0));
  }

  /** The mean of the nearest training images' points; the nearer ones count more. */
  #amongNearest(latent) {
    const nearest = this.latents
      .map((other, i) => ({ i, weight: 1 / (1e-6 + Math.hypot(...other.map((value, axis) => value - latent[axis]))) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, NEAREST);
    const total = nearest.reduce((sum, { weight }) => sum + weight, 0);
    return [0, 1].map((axis) => nearest.reduce((sum, { i, weight }) => sum + weight * this.points[i][axis], 0) / total);
  }
}
