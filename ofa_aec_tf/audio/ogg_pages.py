"""Finds the streams of an Ogg file that follow each other."""

import os
import re

_HEADER_BYTES = 27
# Of a page, at most.
_PAGE_BYTES = 65_307
_PAGE = re.compile(rb"OggS\0([\0-\x07]).{8}(.{4})", re.DOTALL)
_BEGINS_STREAM = 2


def _pages(descriptor, position):
    """Where each page begins, whether a stream does, and its serial number."""
    while True:
        header = os.pread(descriptor, _HEADER_BYTES + 255, position)
        match = _PAGE.match(header)
        if match is None or len(header) < _HEADER_BYTES:
            return
        yield position, bool(match[1][0] & _BEGINS_STREAM), match[2]
        segments = header[_HEADER_BYTES:][: header[_HEADER_BYTES - 1]]
        position += _HEADER_BYTES + len(segments) + sum(segments)


def find_links(descriptor: int, start: int) -> tuple[int, ...]:
    """Where one set of streams ends and the next begins: chained files.

    Args:
        descriptor: int. An open Ogg file.
        start: int. The byte of its first page.

    Returns:
        tuple of int, the bytes at which further links begin; mostly empty.
    """
    first_serials = set()
    for _, begins_stream, serial in _pages(descriptor, start):
        if not begins_stream:
            break
        first_serials.add(serial)
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _PAGE_BYTES, max(start, size - _PAGE_BYTES))
    last_serials = [match[2] for match in _PAGE.finditer(end)]
    # No need to go through all of it.
    if not last_serials or last_serials[-1] in first_serials:
        return ()
    links = []
    follows_data = False
    for position, begins_stream, _ in _pages(descriptor, start):
        if begins_stream and follows_data:
            links.append(position)
        follows_data = not begins_stream
    return tuple(links)
