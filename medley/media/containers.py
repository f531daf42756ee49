"""Containers: how PyAV opens a file of ours or of a stranger. One demuxer, listed codecs, no other
file or address.
"""

from typing import TYPE_CHECKING, Any, BinaryIO

from medley.errors import BrokenMedia

if TYPE_CHECKING:
    from av.container import InputContainer

_CODECS = (
    "h264 hevc av1 libdav1d vp8 vp9 libvpx libvpx-vp9 mpeg4 msmpeg4v3 h263 mjpeg theora prores "
    "ffv1 rawvideo aac aac_fixed mp3 mp3float mp2 mp2float opus libopus vorbis libvorbis flac alac "
    "ac3 eac3 adpcm_ms adpcm_ima_wav pcm_u8 pcm_s8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be "
    "pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_alaw pcm_mulaw"
)
CODECS = frozenset(_CODECS.split())


def _refuse(url: str, flags: int, options: dict[str, Any]) -> Any:
    raise BrokenMedia("The file refers to another file or address.")


def open_container(file: BinaryIO, demuxer: str) -> "InputContainer":
    """Opens with this demuxer only. The bytes come from `file`; nothing else can be reached."""
    import av
    import av.logging

    # Any other level makes decoder threads wait for the interpreter's lock to log, while whoever
    # closes a damaged file holds it and waits for them: a deadlock.
    av.logging.set_level(None)
    return av.open(
        file,
        mode="r",
        format=demuxer,
        metadata_errors="replace",
        buffer_size=1 << 18,
        io_open=_refuse,
        options={
            "protocol_whitelist": "file,pipe",
            "format_whitelist": ",".join(
                ("mov", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", demuxer)
            ),
            "codec_whitelist": ",".join(sorted(CODECS)),
            "max_streams": "32",
        },
    )
