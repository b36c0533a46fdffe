"""Is the simulation like people? Measured quantities beside published ranges and beside real recordings.

>>> from aemg.simulation.realism import measure
>>> table = measure(people=20, seed=0)                  # doctest: +SKIP
>>> [f.verdict for f in table.findings]                 # doctest: +SKIP
"""

from aemg.simulation.realism.example import Example, example
from aemg.simulation.realism.literature import Range
from aemg.simulation.realism.results import Comparison, Finding, Realism, Summary, judge
from aemg.simulation.realism.table import measure

__all__ = ["Comparison", "Example", "Finding", "Range", "Realism", "Summary", "example", "judge", "measure"]
