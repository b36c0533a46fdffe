"""The limb as a volume conductor: a cylinder of muscle, fat and skin around it, insulated outside.

The potential on the skin of a point current inside the muscle, by separation of variables: Farina, Mesin, Martina and
Merletti, IEEE TBME 2004, doi 10.1109/TBME.2003.820998. Because muscle fills the core, the depth of the source enters
through one factor only, so that a single 5 x 5 system for every wave number serves all sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, ive, kve

_BEYOND = 20  # orders above the last that the recurrence of Bessel functions starts at
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tissue:
    """Conductivities in S/m; muscle conducts better along its fibres (axial) than across them (radial)."""

    muscle_radial: float = 0.09
    muscle_axial: float = 0.40
    fat: float = 0.04
    skin: float = 0.25


@dataclass(frozen=True)
class Conductor:
    """A limb of outer radius `radius_m` under `skin_m` of skin and `fat_m` of fat.

    Args:
        period_m: along the limb; the solution repeats with it.
        steps: samples of a period.
        orders: angular orders 0 .. orders - 1 are kept.
    """

    radius_m: float
    fat_m: float
    skin_m: float
    tissue: Tissue = Tissue()
    period_m: float = 0.5
    steps: int = 512
    orders: int = 41

    @property
    def core_m(self) -> float:
        """Radius of the muscle core in metres."""
        return self.radius_m - self.fat_m - self.skin_m

    @property
    def wave_numbers(self) -> Floats:
        """Axial wave numbers (K,) in rad/m, as `numpy.fft.rfft` orders them; the first is 0."""
        return np.asarray(2 * np.pi * np.fft.rfftfreq(self.steps, self.period_m / self.steps), dtype=np.float64)

    def surface(self) -> Floats:
        """Skin potential (K, N) in V for a current of 1 A at the fascia, one value per wave number and order.

        The entry of order n > 0 carries the factor 2 of the cosine series. Wave number 0 is left out (0): fibres
        carry no net current.
        """
        k = self.wave_numbers[1:, None]
        n = np.arange(self.orders)[None, :].astype(float)
        matrix, right = self._interfaces(k, n)
        unknown = np.linalg.solve(matrix, right[..., None])[..., 0]
        fat_border = self.core_m + self.fat_m
        value = unknown[..., 3] + unknown[..., 4] * _ratio_k(n, k * self.radius_m, k * fat_border)
        return np.vstack([np.zeros((1, self.orders)), value * np.where(n > 0, 2.0, 1.0)])

    def depth_factor(self, source_m: float | Floats) -> Floats:
        """What sources at radii `source_m` (...) keep of `surface`: (..., K, N), between 0 and 1."""
        k = self.wave_numbers[1:] * np.sqrt(self.tissue.muscle_axial / self.tissue.muscle_radial)
        x, y = np.multiply.outer(source_m, k), k * self.core_m
        factor = np.zeros((*np.shape(source_m), len(k) + 1, self.orders))
        factor[..., 1:, 0] = i0e(x) / i0e(y) * np.exp(x - y)
        steps = _successive(x, self.orders) / _successive(y, self.orders)
        factor[..., 1:, 1:] = factor[..., 1:, :1] * np.cumprod(steps, axis=-1)
        return factor

    def _interfaces(self, k: Floats, n: Floats) -> tuple[Floats, Floats]:
        """Continuity of potential and of radial current at both borders, no current at the skin's surface."""
        t, a, b, r = self.tissue, self.core_m, self.core_m + self.fat_m, self.radius_m
        kappa = k * np.sqrt(t.muscle_axial / t.muscle_radial)
        i_ab, k_ba = _ratio_i(n, k * a, k * b), _ratio_k(n, k * b, k * a)
        i_br, k_rb = _ratio_i(n, k * b, k * r), _ratio_k(n, k * r, k * b)
        source = ive(n, kappa * a) * kve(n, kappa * a) / (2 * np.pi * t.muscle_radial)
        zero, one = np.zeros_like(k * n), np.ones_like(k * n)
        across = t.muscle_radial * kappa
        rows = [
            [one, -i_ab, -one, zero, zero],
            [across * _slope_i(n, kappa * a), -t.fat * k * _slope_i(n, k * a) * i_ab,
             -t.fat * k * _slope_k(n, k * a), zero, zero],
            [zero, one, k_ba, -i_br, -one],
            [zero, t.fat * _slope_i(n, k * b), t.fat * _slope_k(n, k * b) * k_ba,
             -t.skin * _slope_i(n, k * b) * i_br, -t.skin * _slope_k(n, k * b)],
            [zero, zero, zero, _slope_i(n, k * r), _slope_k(n, k * r) * k_rb],
        ]  # fmt: skip
        right = [-source, -across * _slope_k(n, kappa * a) * source, zero, zero, zero]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2), np.stack(right, axis=-1)


def _successive(x: Floats, orders: int) -> Floats:
    """I_n(x) / I_(n-1)(x) for n = 1 .. orders - 1, (..., orders - 1), by the recurrence that is stable downwards."""
    ratio = x / (orders + _BEYOND + np.hypot(orders + _BEYOND, x))
    ratios = np.empty((orders - 1, *x.shape))
    for n in range(orders + _BEYOND - 1, 0, -1):
        ratio = 1 / (2 * n / x + ratio)
        if n < orders:
            ratios[n - 1] = ratio
    return np.moveaxis(ratios, 0, -1)


def _ratio_i(n: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(ive(n, x) / ive(n, y) * np.exp(x - y))


def _ratio_k(n: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(kve(n, x) / kve(n, y) * np.exp(y - x))


def _slope_i(n: Floats, x: Floats) -> Floats:
    """Logarithmic derivative of I_n."""
    return np.asarray(ive(n + 1, x) / ive(n, x) + n / x)


def _slope_k(n: Floats, x: Floats) -> Floats:
    """Logarithmic derivative of K_n."""
    return np.asarray(n / x - kve(n + 1, x) / kve(n, x))
