"""The virtual user: a simulated hand that learns to move, and then to be understood by a decoder of its EMG.

Needs the extra `aemg[simulation]`; without it, importing any module of this part raises an `AEMGError` that says so.
"""

from importlib.util import find_spec

from aemg.errors import AEMGError

for _name in ("gymnasium", "mujoco", "myo_sim"):
    if find_spec(_name) is None:
        raise AEMGError(f"the virtual user needs {_name}: pip install 'aemg[simulation]'")
