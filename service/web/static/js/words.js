/** Plain words for the values of the API's options. A value that is not here is shown as it is. */

const WORDS = {
  auto: "automatic",
  residual: "residual (sharper)",
  batch: "among these",
  dataset: "in the data set",
  svm: "SVM",
  knn: "kNN",
  mlp: "MLP (slow)",
  cnn: "CNN, for photos (slowest without a GPU)",
  image: "pixels",
  latent: "latent vectors",
  duplication: "the same images again",
  affine: "affine copies (shifted, turned, scaled)",
  smote: "SMOTE",
  elastic: "elastic copies (bent)",
  trivial: "copies by TrivialAugment",
  mixup: "mixup (CNN alone)",
  cutmix: "CutMix (CNN alone)",
  pca: "widest spread (PCA)",
  umap: "neighbours together (UMAP)",
};

/** Pairs of [value, words], as a select or a list of boxes takes them. */
export const inWords = (values) => values.map((value) => [value, WORDS[value] ?? value]);

/** The networks by their names. */
export const NETWORKS = { auto: "automatic", paper: "the paper's", residual: "residual, for photos" };

/** How good a model is, in a few words. */
export const quality = ({ reconstruction }) => (reconstruction ? `${reconstruction.psnr.toFixed(1)} dB` : "not measured");
