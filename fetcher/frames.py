"""Where the head of a zstd frame ends (RFC 8878 3.1.1.1): libzstd must get it whole.

libzstd 1.5.7 takes what follows the first part of a head that comes in two for a frame of its own, so what a
body is would depend on how it came.
"""

from __future__ import annotations

FIRST = 0x28  # the byte a frame begins with; others are those of frames to be skipped


def head(data: bytes) -> int:
    """The bytes of the head that begins here; more than there are, where that cannot be told yet."""
    if len(data) < 5 or data[0] != FIRST:
        return 8
    single = data[4] >> 5 & 1
    return 6 - single + (0, 1, 2, 4)[data[4] & 3] + (single, 2, 4, 8)[data[4] >> 6]
