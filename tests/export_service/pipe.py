"""An output like an upload."""

import io


class Pipe(io.RawIOBase):
    """An output that can neither seek nor tell."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Takes all of the bytes."""
        self.content += data
        return len(data)
