// plugin-name: each word gets a capital.
//
// The host calls on_chunk for each piece of the body, while the upload is still open.
// Where a piece begins and ends means nothing: what must last from one to the next is in
// a global variable. Every exchange has an instance of its own.

import { Next, chunk, emit } from "./wasmplex";

export { chunk_buffer } from "./wasmplex";

// Whether the byte before this one belongs to a word.
let inWord = false;

export function on_chunk(ptr: usize, len: i32): Next {
  const bytes = chunk(ptr, len);
  for (let at = 0; at < len; at++) {
    const byte = bytes[at];
    if (!inWord && byte >= 0x61 && byte <= 0x7a) bytes[at] = byte - 0x20;
    inWord = isOfWord(byte);
  }
  emit(bytes);
  return Next.GoOn;
}

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
function isOfWord(byte: u8): bool {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x27 || byte >= 0x80;
}
