"""What the parts of Hyser call their tasks, and what they are called here."""

from __future__ import annotations

from typing import Final

GESTURES: Final = {
    "Thumb extension": "thumb_extension", "Index finger extension": "index_extension",
    "Middle finger extension": "middle_extension", "Ring finger extension": "ring_extension",
    "Little finger extension": "little_extension", "Wrist flexion": "wrist_flexion", "Wrist extension": "wrist_extension",
    "Wrist radial": "radial_deviation", "Wrist ulnar": "ulnar_deviation", "Wrist pronation": "pronation",
    "Wrist supination": "supination", "Extension of thumb and index fingers": "thumb_index_extension",
    "Extension of index and middle fingers": "two_fingers",
    "Wrist flexion combined with hand close": "wrist_flexion_closed",
    "Wrist extension combined with hand close": "wrist_extension_closed",
    "Wrist radial combined with hand close": "radial_deviation_closed",
    "Wrist ulnar combined with hand close": "ulnar_deviation_closed",
    "Wrist pronation combined with hand close": "pronation_closed",
    "Wrist supination combined with hand close": "supination_closed",
    "Wrist flexion combined with hand open": "wrist_flexion_open",
    "Wrist extension combined with hand open": "extended_palm",
    "Wrist radial combined with hand open": "radial_deviation_open",
    "Wrist ulnar combined with hand open": "ulnar_deviation_open",
    "Wrist pronation combined with hand open": "pronation_open",
    "Wrist supination combined with hand open": "supination_open",
    "Extension of thumb, index and middle fingers": "thumb_index_middle_extension",
    "Extension of index, middle and ring fingers": "three_fingers",
    "Extension of middle, ring and little fingers": "middle_ring_little_extension",
    "Extension of index, middle, ring and little fingers": "four_fingers", "Hand close": "hand_close",
    "Hand open": "hand_open", "Thumb and index fingers pinch": "pinch_grip",
    "Thumb, index and middle fingers pinch": "chuck_grip", "Thumb and middle fingers pinch": "pinch_middle",
}  # fmt: skip
_NAMES: Final = ("thumb", "index", "middle", "ring", "little")
_COMBINED: Final = (
    "thumb_index", "thumb_middle", "thumb_ring", "thumb_little", "index_middle", "thumb_index_middle", "index_middle_ring",
    "middle_ring_little", "index_middle_ring_little", "all_fingers", "thumb_against_index", "thumb_against_middle",
    "thumb_against_ring", "thumb_against_little", "index_against_middle",
)  # fmt: skip
FINGERS: Final = {f"finger{number}": f"hyser_force_{name}" for number, name in enumerate(_NAMES, start=1)}
COMBINATIONS: Final = {f"combination{number}": f"hyser_force_{name}" for number, name in enumerate(_COMBINED, start=1)}
RANDOM: Final = {"random": "hyser_force_at_will"}
MVC: Final = {
    f"finger{number}_{way}": f"hyser_mvc_{name}_{way}"
    for number, name in enumerate(_NAMES, start=1)
    for way in ("extension", "flexion")
}
