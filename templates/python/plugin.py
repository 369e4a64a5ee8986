"""plugin-name: each word gets a capital.

on_chunk is called for each piece of the body, while the upload is still open. Where a piece begins
and ends means nothing: what must last from one to the next is in a field. Every exchange has an
instance of its own. (wit/wasmplex.wit has all there is.)
"""

import re

import wit_world
from wit_world.imports.output import emit

# A run of letters, digits, apostrophes, and bytes of characters beyond ASCII.
WORD = re.compile(rb"[A-Za-z0-9'\x80-\xff]+")


class WitWorld(wit_world.WitWorld):
    # Whether the last byte belongs to a word.
    in_word = False

    def on_chunk(self, chunk: bytes) -> None:
        emit(WORD.sub(self._capitalised, chunk))
        self.in_word = WORD.match(chunk, len(chunk) - 1) is not None

    def _capitalised(self, word: re.Match[bytes]) -> bytes:
        if self.in_word and word.start() == 0:
            return word[0]  # the rest of one that a border has cut
        return word[0][:1].upper() + word[0][1:]
