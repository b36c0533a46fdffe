"""The movements of Ninapro's exercises in their order: names of the shared vocabulary, and what Ninapro calls them.

Source: Atzori et al., Scientific Data 1:140053 (2014), doi:10.1038/sdata.2014.53; Krasoulis et al., Frontiers in Neuroscience
13:891 (2019), doi:10.3389/fnins.2019.00891; Cognolato et al., Scientific Data 7:43 (2020), doi:10.1038/s41597-020-0380-3.
"""

from __future__ import annotations

from typing import Final

Movements = dict[str, str]

REST: Final[Movements] = {"rest": "rest"}
FINGERS: Final[Movements] = {
    "index_flexion": "Index flexion", "index_extension": "Index extension", "middle_flexion": "Middle flexion",
    "middle_extension": "Middle extension", "ring_flexion": "Ring flexion", "ring_extension": "Ring extension",
    "little_flexion": "Little finger flexion", "little_extension": "Little finger extension",
    "thumb_adduction": "Thumb adduction", "thumb_abduction": "Thumb abduction", "thumb_flexion": "Thumb flexion",
    "thumb_extension": "Thumb extension",
}  # fmt: skip
HAND_AND_WRIST: Final[Movements] = {
    "thumb_up": "Thumb up",
    "two_fingers": "Extension of index and middle, flexion of the others",
    "ring_little_flexion": "Flexion of ring and little finger, extension of the others",
    "thumb_little_opposition": "Thumb opposing base of little finger",
    "fingers_abduction": "Abduction of all fingers",
    "hand_close": "Fingers flexed together in fist",
    "pointing": "Pointing index",
    "fingers_adduction": "Adduction of extended fingers",
    "supination_middle": "Wrist supination (axis: middle finger)",
    "pronation_middle": "Wrist pronation (axis: middle finger)",
    "supination_little": "Wrist supination (axis: little finger)",
    "pronation_little": "Wrist pronation (axis: little finger)",
    "wrist_flexion": "Wrist flexion",
    "wrist_extension": "Wrist extension",
    "radial_deviation": "Wrist radial deviation",
    "ulnar_deviation": "Wrist ulnar deviation",
    "wrist_extension_closed": "Wrist extension with closed hand",
}
GRASPS: Final[Movements] = {
    "grasp_large_diameter": "Large diameter grasp",
    "grasp_small_diameter": "Small diameter grasp (power grip)",
    "grasp_fixed_hook": "Fixed hook grasp",
    "grasp_index_extension": "Index finger extension grasp",
    "grasp_medium_wrap": "Medium wrap",
    "grasp_ring": "Ring grasp",
    "grasp_prismatic_four": "Prismatic four fingers grasp",
    "grasp_stick": "Stick grasp",
    "grasp_writing_tripod": "Writing tripod grasp",
    "grasp_power_sphere": "Power sphere grasp",
    "grasp_three_finger_sphere": "Three finger sphere grasp",
    "grasp_precision_sphere": "Precision sphere grasp",
    "grasp_tripod": "Tripod grasp",
    "grasp_prismatic_pinch": "Prismatic pinch grasp",
    "grasp_tip_pinch": "Tip pinch grasp",
    "grasp_quadpod": "Quadpod grasp",
    "grasp_lateral": "Lateral grasp",
    "grasp_parallel_extension": "Parallel extension grasp",
    "grasp_extension_type": "Extension type grasp",
    "grasp_power_disk": "Power disk grasp",
    "grasp_open_bottle": "Open a bottle with a tripod grasp",
    "grasp_turn_screw": "Turn a screw (grasp the screwdriver with a stick grasp)",
    "grasp_cut": "Cut something (grasp the knife with an index finger extension grasp)",
}
FORCES: Final[Movements] = {
    "little_flexion": "Flexion of the little finger", "ring_flexion": "Flexion of the ring finger",
    "middle_flexion": "Flexion of the middle finger", "index_flexion": "Flexion of the index finger",
    "thumb_abduction": "Abduction of the thumb", "thumb_flexion": "Flexion of the thumb",
    "index_little_flexion": "Flexion of index and little finger",
    "middle_ring_flexion": "Flexion of ring and middle finger",
    "thumb_index_flexion": "Flexion of index finger and thumb",
}  # fmt: skip
DB6_CODES: Final = (1, 3, 4, 6, 9, 10, 11)
DB6_GRASPS: Final[Movements] = {f"ninapro_db6_grasp_{code}": str(code) for code in DB6_CODES}
DB8_MOVEMENTS: Final[Movements] = {
    "thumb_flexion_extension": "Thumb flexion/extension",
    "thumb_abduction_adduction": "Thumb abduction/adduction",
    "index_flexion_extension": "Index finger flexion/extension",
    "middle_flexion_extension": "Middle finger flexion/extension",
    "ring_little_flexion_extension": "Combined ring and little fingers flexion/extension",
    "pointing": "Index pointer",
    "power_grip": "Cylindrical grip",
    "side_grip": "Lateral grip",
    "chuck_grip": "Tripod grip",
}
MEGANE_GRASPS: Final[Movements] = {
    "grasp_medium_wrap": "Medium wrap", "grasp_lateral": "Lateral", "grasp_parallel_extension": "Parallel extension",
    "grasp_tripod": "Tripod grasp", "grasp_power_sphere": "Power sphere", "grasp_precision_disk": "Precision disk",
    "grasp_prismatic_pinch": "Prismatic pinch", "grasp_index_extension": "Index finger extension",
    "grasp_adducted_thumb": "Adducted thumb", "grasp_prismatic_four": "Prismatic four finger",
}  # fmt: skip
