"""The shared vocabulary: one name for one movement, whatever a set calls it, so that sets can be trained together.

A reader gives its intervals these names where the movement is among them. What is not here keeps a name of the set's own,
which no set of other people may use for something else; `unmapped` lists those. What a set itself calls its labels stands in
its card (`DatasetInfo.own_labels`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aemg.datasets.base import DatasetInfo

# Held movements, each with what the hand does. Flexion of fingers means towards the palm, the others as at rest unless said.
GESTURES: Final[dict[str, str]] = {
    "rest": "nothing, the hand relaxed",
    # wrist and forearm
    "wrist_flexion": "palm towards the forearm",
    "wrist_extension": "back of the hand towards the forearm",
    "wrist_flexion_closed": "wrist flexion with the fist closed",
    "wrist_extension_closed": "wrist extension with the fist closed",
    "radial_deviation_closed": "radial deviation with the fist closed",
    "ulnar_deviation_closed": "ulnar deviation with the fist closed",
    "pronation_closed": "pronation with the fist closed",
    "supination_closed": "supination with the fist closed",
    "wrist_flexion_open": "wrist flexion with all fingers extended",
    "radial_deviation_open": "radial deviation with all fingers extended",
    "ulnar_deviation_open": "ulnar deviation with all fingers extended",
    "pronation_open": "pronation with all fingers extended",
    "supination_open": "supination with all fingers extended",
    "radial_deviation": "hand towards the thumb's side",
    "ulnar_deviation": "hand towards the little finger's side",
    "pronation": "forearm turned palm down",
    "supination": "forearm turned palm up",
    "pronation_middle": "pronation about the middle finger's axis",
    "supination_middle": "supination about the middle finger's axis",
    "pronation_little": "pronation about the little finger's axis",
    "supination_little": "supination about the little finger's axis",
    # the whole hand
    "hand_close": "all fingers flexed together: fist",
    "hand_open": "all fingers extended",
    "fingers_abduction": "all fingers extended and spread",
    "fingers_adduction": "all fingers extended and pressed together",
    "extended_palm": "flat hand pushed forward, wrist and fingers extended",
    "hook": "fingers flexed at the middle joints, as around a handle",
    # one finger
    "thumb_flexion": "thumb flexed",
    "thumb_extension": "thumb extended",
    "thumb_adduction": "thumb pressed to the palm's side",
    "thumb_abduction": "thumb away from the palm",
    "thumb_up": "thumb extended from the fist",
    "index_flexion": "index finger flexed",
    "index_extension": "index finger extended, the others as they are",
    "middle_flexion": "middle finger flexed",
    "middle_extension": "middle finger extended, the others as they are",
    "ring_flexion": "ring finger flexed",
    "ring_extension": "ring finger extended, the others as they are",
    "little_flexion": "little finger flexed",
    "little_extension": "little finger extended, the others as they are",
    # poses of several fingers
    "pointing": "index finger extended, the others flexed",
    "middle_pointing": "middle finger extended, the others flexed",
    "ring_pointing": "ring finger extended, the others flexed",
    "little_pointing": "little finger extended, the others flexed",
    "two_fingers": "index and middle finger extended, the others flexed: peace, victory",
    "three_fingers": "index, middle and ring finger extended, the others flexed",
    "middle_ring_little_extension": "middle, ring and little finger extended, the others flexed",
    "four_fingers": "four fingers extended, the thumb across the palm",
    "thumb_index_extension": "thumb and index finger extended, the others flexed: a right angle",
    "thumb_little_extension": "thumb and little finger extended, the others flexed: hang loose",
    "index_little_extension": "index and little finger extended, the others flexed: horns",
    "thumb_index_middle_extension": "thumb, index and middle finger extended, the others flexed",
    "ring_little_flexion": "ring and little finger flexed, the others extended",
    "index_middle_flexion": "index and middle finger flexed, the others extended",
    "middle_ring_flexion": "middle and ring finger flexed, the others extended",
    "thumb_index_flexion": "thumb and index finger flexed, the others as they are",
    "index_little_flexion": "index and little finger flexed, the others as they are",
    "thumb_little_opposition": "thumb to the little finger's base or tip, the others extended",
    "thumb_ring_opposition": "thumb to the ring finger, the others extended",
    "thumb_middle_opposition": "thumb to the middle finger, the others extended",
    "thumb_index_opposition": "thumb to the index finger, the others extended",
    # pinches and grasps
    "pinch_grip": "thumb and index finger pinch",
    "pinch_middle": "thumb and middle finger pinch",
    "pinch_ring": "thumb and ring finger pinch",
    "pinch_little": "thumb and little finger pinch",
    "chuck_grip": "thumb, index and middle finger together: tripod, three-jaw chuck",
    "side_grip": "thumb on the side of the index finger: key grip, lateral pinch",
    "fine_grip": "fine grip of thumb and fingertips",
    "power_grip": "all fingers around an object",
    "grasp_large_diameter": "around a large cylinder",
    "grasp_small_diameter": "around a small cylinder",
    "grasp_medium_wrap": "around a cylinder of medium width",
    "grasp_fixed_hook": "hook around a handle",
    "grasp_index_extension": "around a stick with the index finger along it",
    "grasp_ring": "index finger and thumb in a ring around an object",
    "grasp_prismatic_four": "thumb against four fingertips along a stick",
    "grasp_stick": "stick held by thumb and the fingers' sides",
    "grasp_writing_tripod": "as a pen is held",
    "grasp_power_sphere": "whole hand around a sphere",
    "grasp_three_finger_sphere": "three fingers around a sphere",
    "grasp_precision_sphere": "fingertips around a sphere",
    "grasp_precision_disk": "fingertips around a disk",
    "grasp_adducted_thumb": "around a stick with the thumb along it",
    "grasp_tripod": "thumb and two fingertips on an object",
    "grasp_prismatic_pinch": "thumb against two fingertips on a small object",
    "grasp_tip_pinch": "fingertip against thumb tip on a small object",
    "grasp_quadpod": "thumb and three fingertips on an object",
    "grasp_lateral": "flat object between thumb and the index finger's side",
    "grasp_parallel_extension": "flat object between thumb and extended fingers",
    "grasp_extension_type": "flat object held with the fingers extended",
    "grasp_power_disk": "whole hand around a disk",
    "grasp_open_bottle": "opening a bottle with a tripod grasp",
    "grasp_turn_screw": "turning a screwdriver held like a stick",
    "grasp_cut": "cutting with a knife held with the index finger along it",
}

# Instants, in streams of events.
EVENTS: Final[dict[str, str]] = {
    "index_press": "index finger touches the thumb",
    "index_release": "index finger leaves the thumb",
    "middle_press": "middle finger touches the thumb",
    "middle_release": "middle finger leaves the thumb",
    "thumb_click": "thumb taps the index finger's side",
    "thumb_down": "thumb swipes down along the index finger",
    "thumb_in": "thumb swipes towards the palm",
    "thumb_out": "thumb swipes away from the palm",
    "thumb_up": "thumb swipes up along the index finger",
}


def unmapped(info: DatasetInfo) -> tuple[str, ...]:
    """The labels of a set that the vocabulary does not know, in the set's order."""
    return tuple(label for label in info.labels if label not in GESTURES and label not in EVENTS)


def shared(infos: Iterable[DatasetInfo]) -> tuple[str, ...]:
    """The names of the vocabulary that all of some sets have, in the vocabulary's order."""
    held = [set(info.labels) for info in infos]
    return tuple(name for name in (*GESTURES, *EVENTS) if held and all(name in labels for labels in held))
