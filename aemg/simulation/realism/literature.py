"""What measurements on people say, with the place where they say it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Range:
    """A published range.

    Args:
        quantity: what was measured, in words.
        unit: of `low` and `high`; empty for shares and correlations.
        low, high: the range.
        source: author and year; doi: or where a study has none, journal and page.
    """

    quantity: str
    unit: str
    low: float
    high: float
    source: str
    doi: str


RATE = Range(
    "Discharge rate of steadily active units, 10 to 80 % drive", "Hz", 8.0, 30.0,
    "De Luca and Hostage 2010", "10.1152/jn.01018.2009",
)  # fmt: skip
COV = Range(
    "Coefficient of variation of their intervals", "", 0.10, 0.30,
    "Moritz et al. 2005", "10.1152/jn.01122.2004",
)  # fmt: skip
SIZE = Range(
    "Size principle: recruitment against number of fibres, Spearman", "", 0.7, 1.0,
    "Milner-Brown et al. 1973", "10.1113/jphysiol.1973.sp010192",
)  # fmt: skip
SURFACE_SIZE = Range(
    "Recruitment against amplitude of the surface potential, Spearman", "", 0.3, 1.0,
    "Milner-Brown and Stein 1975", "10.1113/jphysiol.1975.sp010904",
)  # fmt: skip
ONION_SKIN = Range(
    "Onion skin: recruitment against rate at 40 % drive, Spearman", "", -1.0, -0.5,
    "De Luca and Hostage 2010", "10.1152/jn.01018.2009",
)  # fmt: skip
LINEARITY = Range(
    "RMS against force of twitches, variance explained by a line", "", 0.95, 1.0,
    "Danion et al. 2002, finger flexors", "Eur J Appl Physiol 88:185, PMID 12436289",
)  # fmt: skip
EXPONENT = Range(
    "RMS against force of twitches, exponent of the power law", "", 0.7, 1.4,
    "Lawrence and De Luca 1983", "10.1152/jappl.1983.54.6.1653",
)  # fmt: skip
DRIVE_LINEARITY = replace(LINEARITY, quantity="RMS against drive (force of the hand's muscles), variance explained by a line")
DRIVE_EXPONENT = replace(EXPONENT, quantity="RMS against drive (force of the hand's muscles), exponent of the power law")
MEDIAN_FREQUENCY = Range(
    "Median frequency, armband, strongest quarter of the channels", "Hz", 60.0, 120.0,
    "Krivickas et al. 1998, four limb muscles", "J Clin Neurophysiol 15:138",
)  # fmt: skip
PEAK = Range(
    "Peak of the spectrum, armband", "Hz", 40.0, 150.0,
    "De Luca 1997", "10.1123/jab.13.2.135",
)  # fmt: skip
BAND_SHARE = Range(
    "Share of the power between 20 and 450 Hz, before any filter", "", 0.9, 1.0,
    "De Luca et al. 2010", "10.1016/j.jbiomech.2010.01.027",
)  # fmt: skip
FAT_LOSS = Range(
    "RMS above the muscle under 9 mm of fat, as a share of that under 3 mm", "", 0.19, 0.43,
    "Kuiken et al. 2003 (0.29, within a half)", "10.3109/03093640309167976",
)  # fmt: skip
SPREAD_THIN = Range(
    "Cross-talk: angle from the muscle's edge to 5 % of its RMS, 3 mm of fat", "°", 8.5, 25.5,
    "Kuiken et al. 2003 (17, within a half)", "10.3109/03093640309167976",
)  # fmt: skip
SPREAD_THICK = Range(
    "Cross-talk: the same under 9 mm of fat", "°", 17.0, 51.0,
    "Kuiken et al. 2003 (34, within a half)", "10.3109/03093640309167976",
)  # fmt: skip
VELOCITY = Range(
    "Conduction velocity of single units, from the delay over 10 mm", "m/s", 3.0, 5.0,
    "Andreassen and Arendt-Nielsen 1987", "10.1113/jphysiol.1987.sp016756",
)  # fmt: skip
SIGNAL_VELOCITY = Range(
    "Conduction velocity of the whole signal, the same way", "m/s", 3.0, 5.0,
    "Farina and Merletti 2004", "10.1007/BF02350984",
)  # fmt: skip
NOISE = Range(
    "Noise floor of the devices in volts, in their band", "µV", 1.0, 5.0,
    "Kaifosh et al. 2025 (2.46)", "10.1038/s41586-025-09255-w",
)  # fmt: skip
DELAY = Range(
    "Electromechanical delay, shift of the force behind the EMG's amplitude", "ms", 47.0, 96.0,
    "Vint et al. 2001", "10.1097/00005768-200106000-00018",
)  # fmt: skip
