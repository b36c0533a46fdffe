"""Quality gate: what is amiss in recordings, where, and what to do about it.

>>> from aemg.quality import check_all, material_of
>>> report = check_all([material_of("corpus")], jobs=2)  # doctest: +SKIP
>>> report.sound  # doctest: +SKIP
True
"""

from aemg.quality.finding import KINDS, SEVERITIES, Finding
from aemg.quality.limits import Limits
from aemg.quality.material import Material, material_of
from aemg.quality.run import Checked, QualityReport, check_all, check_recording
from aemg.quality.stamps import Stamps, check_stamps

__all__ = [
    "KINDS", "SEVERITIES", "Checked", "Finding", "Limits", "Material", "QualityReport", "Stamps", "check_all",
    "check_recording", "check_stamps", "material_of",
]
