"""rot13: every ASCII letter moves 13 places along the alphabet, every other byte stays.

The world `filter` of ../../plugin-sdk/wit/wasmplex.wit: on_chunk is called with each piece of the
body, and what it emits is with the client before the next one is awaited.
"""

from string import ascii_lowercase, ascii_uppercase

import wit_world
from wit_world.imports.output import emit


def _shifted(alphabet: str) -> str:
    return alphabet[13:] + alphabet[:13]


# Made when the plugin is built; every instance starts with it in memory.
TABLE = bytes.maketrans(
    (ascii_lowercase + ascii_uppercase).encode(),
    (_shifted(ascii_lowercase) + _shifted(ascii_uppercase)).encode(),
)


class WitWorld(wit_world.WitWorld):
    def on_chunk(self, chunk: bytes) -> None:
        emit(chunk.translate(TABLE))
