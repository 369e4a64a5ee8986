// rot13: every ASCII letter moves 13 places along the alphabet, all other bytes stay.
//
//     curl -sN -T . http://127.0.0.1:8080/rot13-assemblyscript
//
// It has no state: a byte's answer does not depend on the bytes around it, so it does not
// matter where the body is cut into chunks.

import { Next, emitRange } from "../../plugin-sdk/assemblyscript/wasmplex";

export { chunk_buffer } from "../../plugin-sdk/assemblyscript/wasmplex";

/** Works in place in the chunk buffer, 16 bytes at a time, and emits from there. */
export function on_chunk(ptr: usize, len: i32): Next {
  const end = ptr + len;
  const vectorsEnd = ptr + (len & ~15);
  let at = ptr;
  for (; at < vectorsEnd; at += 16) v128.store(at, rot13x16(v128.load(at)));
  // The 0 to 15 bytes that are left: each as the first of sixteen.
  for (; at < end; at++) store<u8>(at, i8x16.extract_lane_u(rot13x16(i8x16.splat(load<u8>(at))), 0));
  emitRange(ptr, len);
  return Next.GoOn;
}

// @ts-ignore: decorator
@inline
function rot13x16(bytes: v128): v128 {
  // `| 0x20` folds upper case onto lower case; then a letter's place in the alphabet is 0
  // to 25, and anything else is above.
  const place = i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)); // "a"
  const isLetter = i8x16.lt_u(place, i8x16.splat(26));
  const isFirstHalf = i8x16.lt_u(place, i8x16.splat(13));
  const step = v128.bitselect(i8x16.splat(13), i8x16.splat(-13), isFirstHalf);
  return i8x16.add(bytes, v128.and(step, isLetter));
}
