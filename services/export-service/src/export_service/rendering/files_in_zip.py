"""A ZIP archive of files for people, such as one for each studio (R42).

The names are safe wherever the archive is unpacked: no folders, none that Windows keeps for itself,
none twice, also where upper and lower case are the same.
"""

import re
import unicodedata

from export_service.rendering.zip_stream import Output, ZipStream

_LONGEST_NAME = 200
"""Bytes in UTF-8; file systems take 255."""

_UNSAFE = re.compile(r'[<>:"/\\|?*]')
# Names of devices in Windows, whatever ending follows ("Naming Files, Paths, and Namespaces").
_RESERVED = re.compile(r"(?i)(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])(?:\..*)?")


class FilesInZip:
    """Writes files one after the other: `begin`, write to its output, `end`; at last `finish`.

    All of them raise ArchiveTooLargeError if the archive would need ZIP64.
    """

    def __init__(self, output: Output) -> None:
        self._zip = ZipStream(output)
        self._taken: set[str] = set()

    def begin(self, name: str) -> Output:
        """Opens the next file; its name is made safe, and gets a number if it is taken."""
        self._zip.begin(self._free(safe_name(name)))
        return self._zip

    def end(self) -> None:
        """Closes the file that is open."""
        self._zip.end()

    def finish(self) -> None:
        """Writes what makes the files one archive."""
        self._zip.finish()

    def _free(self, name: str) -> str:
        stem, dot, ending = name.rpartition(".")
        free, number = name, 1
        while free.casefold() in self._taken:
            number += 1
            free = f"{stem} ({number}){dot}{ending}"
        self._taken.add(free.casefold())
        return free


def safe_name(name: str) -> str:
    """The name of a file, which has an ending, as every system takes it."""
    composed = unicodedata.normalize("NFC", name)
    printable = "".join(character if character.isprintable() else "_" for character in composed)
    stem, dot, ending = _UNSAFE.sub("_", printable).rpartition(".")
    stem = stem.strip(". ")
    if not stem or _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    room = _LONGEST_NAME - len((dot + ending).encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(". ")
    return stem + dot + ending
