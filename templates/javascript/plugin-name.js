// plugin-name: each word gets a capital.
//
// onChunk is called for each piece of the body, while the upload is still open. Where a piece
// begins and ends means nothing: what must last from one to the next is in a variable of the
// module. Every exchange has an instance of its own. (wit/wasmplex.wit has all there is.)
import { emit } from "wasmplex:plugin/output@1.0.0";

// Whether the byte before this one belongs to a word.
let inWord = false;

export function onChunk(chunk) {
  for (let at = 0; at < chunk.length; at++) {
    const byte = chunk[at];
    if (!inWord && byte >= 0x61 && byte <= 0x7a) chunk[at] = byte - 0x20;
    inWord = isOfWord(byte);
  }
  emit(chunk);
}

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
function isOfWord(byte) {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x27 || byte >= 0x80;
}
