"""Finds the consecutive streams of a chained Ogg file."""

import os
import re

_HEADER_BYTES = 27
# The largest size of a page.
_PAGE_BYTES = 65_307
_PAGE = re.compile(rb"OggS\0([\0-\x07]).{8}(.{4})", re.DOTALL)
_BEGINS_STREAM = 2


def _pages(descriptor, position):
    """Start and serial number of each page, and whether it starts a stream."""
    while True:
        header = os.pread(descriptor, _HEADER_BYTES + 255, position)
        match = _PAGE.match(header)
        if match is None or len(header) < _HEADER_BYTES:
            return
        yield position, bool(match[1][0] & _BEGINS_STREAM), match[2]
        segments = header[_HEADER_BYTES:][: header[_HEADER_BYTES - 1]]
        position += _HEADER_BYTES + len(segments) + sum(segments)


def find_links(descriptor: int, start: int) -> tuple[int, ...]:
    """The starts of the further links of a chained file.

    Args:
        descriptor: int. An open Ogg file.
        start: int. The byte of its first page.

    Returns:
        tuple of int. Positions in bytes; empty for most files.
    """
    first_serials = set()
    for _, begins_stream, serial in _pages(descriptor, start):
        if not begins_stream:
            break
        first_serials.add(serial)
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _PAGE_BYTES, max(start, size - _PAGE_BYTES))
    last_serials = [match[2] for match in _PAGE.finditer(end)]
    # Then there is no need to go through all pages.
    if not last_serials or last_serials[-1] in first_serials:
        return ()
    links = []
    follows_data = False
    for position, begins_stream, _ in _pages(descriptor, start):
        if begins_stream and follows_data:
            links.append(position)
        follows_data = not begins_stream
    return tuple(links)
