"""Modalities: the kinds of value that travel between steps."""

from enum import StrEnum


class Modality(StrEnum):
    """What a value is, whatever its encoding."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DEPTH = "depth"
    THERMAL = "thermal"
    IMU = "imu"
    MESH = "mesh"
    EMBEDDING = "embedding"  # a vector of a named space; travels as an asset
    DATA = "data"  # a plain JSON value: scores, counts, a plan


#: Modalities whose values are assets: immutable bytes in the store.
STORED = frozenset(
    {
        Modality.IMAGE,
        Modality.AUDIO,
        Modality.VIDEO,
        Modality.DEPTH,
        Modality.THERMAL,
        Modality.IMU,
        Modality.MESH,
        Modality.EMBEDDING,
    }
)

#: What people look at and listen to.
MEDIA = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)

#: What a person may upload today.
UPLOADABLE = frozenset(MEDIA)
