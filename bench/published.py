"""The figures of the paper's Tables 1 to 3: accuracy in percent, by classifier."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = ("noise", "interpolation", "extrapolation")


@dataclass(frozen=True)
class Published:
    """One classifier's rows of a table.

    Attributes:
        baseline: accuracy without new samples.
        by_dim: accuracy with each of `METHODS`, by latent dimension.
    """

    baseline: float
    by_dim: dict[int, tuple[float, float, float]]

    @property
    def best(self) -> float:
        """The best accuracy with new samples."""
        return max(max(row) for row in self.by_dim.values())


TABLE_1 = {
    "svm": Published(
        96.76,
        {
            100: (97.06, 96.94, 97.43),
            50: (97.08, 96.97, 97.31),
            20: (96.94, 97.18, 97.49),
            10: (96.77, 97.22, 97.56),
        },
    ),
    "knn": Published(
        96.88,
        {
            100: (95.90, 97.28, 95.50),
            50: (96.20, 97.35, 95.49),
            20: (96.06, 97.32, 96.20),
            10: (95.59, 97.31, 96.76),
        },
    ),
    "mlp": Published(
        98.39,
        {
            100: (98.12, 98.32, 97.97),
            50: (98.29, 98.18, 98.09),
            20: (97.88, 98.40, 98.29),
            10: (97.62, 97.90, 98.11),
        },
    ),
}

TABLE_2 = {
    "svm": Published(
        90.00,
        {
            100: (90.64, 91.46, 91.16),
            50: (90.76, 91.44, 91.06),
            20: (90.53, 91.64, 92.27),
            10: (90.83, 91.87, 91.95),
        },
    ),
    "knn": Published(
        87.57,
        {
            100: (88.28, 91.61, 84.51),
            50: (87.83, 91.26, 83.44),
            20: (87.39, 91.53, 85.83),
            10: (88.08, 91.42, 86.95),
        },
    ),
    "mlp": Published(
        90.01,
        {
            100: (87.53, 91.49, 90.21),
            50: (89.47, 91.42, 87.26),
            20: (89.73, 91.86, 89.15),
            10: (89.74, 91.61, 89.21),
        },
    ),
}

TABLE_3 = {
    "svm": Published(54.79, {100: (60.18, 63.00, 63.99), 50: (59.11, 64.68, 64.20), 20: (59.09, 63.48, 63.19)}),
    "knn": Published(31.86, {100: (41.42, 51.34, 43.26), 50: (41.24, 50.94, 44.44), 20: (39.29, 53.15, 46.74)}),
    "mlp": Published(63.99, {100: (60.25, 61.84, 62.62), 50: (59.41, 64.30, 60.90), 20: (57.20, 65.60, 64.09)}),
}
