// rot13: every ASCII letter moves 13 places along the alphabet, every other byte stays.
//
// The world `filter` of ../../plugin-sdk/wit/wasmplex.wit: onChunk is called with each piece of the
// body, and what it emits is with the client before the next one is awaited.
import { emit } from "wasmplex:plugin/output@1.0.0";

function rotated(byte) {
  const letter = byte | 0x20; // in lower case, if it is one
  if (letter < 0x61 || letter > 0x7a) return byte;
  return letter < 0x6e ? byte + 13 : byte - 13;
}

// The engine interprets, so a step of a loop is what costs: two bytes are looked up at a time. The
// tables are made when the plugin is built; every instance starts with them in memory.
const single = Uint8Array.from({ length: 256 }, (_, byte) => rotated(byte));
const double = Uint16Array.from({ length: 65536 }, (_, pair) => single[pair & 0xff] | (single[pair >> 8] << 8));

export function onChunk(chunk) {
  const pairs = new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.length >> 1);
  for (let i = pairs.length - 1; i >= 0; i--) pairs[i] = double[pairs[i]];

  const last = chunk.length - 1;
  if (last % 2 === 0) chunk[last] = single[chunk[last]]; // an odd length

  emit(chunk);
}
