/**
 * Write wasmplex plugins in AssemblyScript.
 *
 * A plugin turns the body of one HTTP request into the body of its response, while the
 * request is still arriving. It is a module that exports some of these functions:
 *
 *     export { chunk_buffer } from "./wasmplex";                      // always, as it stands
 *     export function on_chunk(ptr: usize, len: i32): Next { … }      // always
 *     export function on_open(): Open { … }                           // before the response head
 *     export function on_end(): End { … }                             // the body is complete
 *     export function on_timer(): Next { … }                          // after setTimer
 *
 * The host makes a fresh instance of the module for each exchange (a request and its
 * response), so global variables are state of that exchange alone.
 *
 * The compiler needs `--use abort=FILE/abort`, where FILE is this file's path without
 * `.ts` as seen from the project (an asconfig.json says it once): a failed assertion,
 * an index out of range or a thrown error then stands in the host's log.
 */

/** The length of the longest chunk in bytes, 64 KiB. */
export const CHUNK_CAPACITY: i32 = 65_536;

/** How `on_open` wants the exchange to go on. */
export enum Open {
  /** Send the response head now and hand over the body. */
  GoOn = 0,
  /** The response is complete without reading the body. */
  Finish = 1,
  /** Copy the whole body through unchanged. */
  Pass = 2,
  /** Hand over the body, but hold the head until the first emit or the end. */
  Hold = 3,
  /** Fail: 500, or the status of `responseStatus` if that is 400 or above. */
  Reject = -1,
}

/** How `on_chunk` and `on_timer` want the exchange to go on. */
export enum Next {
  /** Hand over the next chunk. */
  GoOn = 0,
  /** The response is complete; what is left of the body is not read. */
  Finish = 1,
  /** Copy the rest of the body through unchanged. */
  Pass = 2,
  /** Fail: an error response while the head is held back, else a cut connection. */
  Reject = -1,
}

/** How `on_end` ends the exchange. */
export enum End {
  /** A clean end of the response. */
  Done = 0,
  /** Fail, as `Next.Reject`. */
  Reject = -1,
}

/** The weight of a line in the host's log. */
export enum Level {
  /** Step by step. */
  Trace = 0,
  /** Of use to the plugin's author. */
  Debug = 1,
  /** Of use to who runs the host. */
  Info = 2,
  /** Wrong, but the exchange goes on. */
  Warn = 3,
  /** The exchange fails. */
  Error = 4,
}

/**
 * Where the host puts the chunks. The plugin's entry file must export this function
 * again; the host calls it once, at the start.
 */
export function chunk_buffer(capacity: u32): usize {
  return capacity <= <u32>CHUNK_CAPACITY ? changetype<usize>(buffer) : 0;
}

/**
 * The chunk buffer: static memory, which neither moves nor goes, made an object as the
 * compiler makes them of literals. `new ArrayBuffer` would fill 64 KiB with zeros at
 * each start, which takes longer than all else that a short exchange does.
 */
const buffer = staticBuffer(memory.data(65_568, 16)); // CHUNK_CAPACITY and a header

function staticBuffer(memory: usize): ArrayBuffer {
  const address = memory + 32; // an object's header has 20 bytes, its content is aligned to 16
  store<u32>(address - 8, idof<ArrayBuffer>()); // rtId, as the runtime lays objects out
  store<u32>(address - 4, CHUNK_CAPACITY); // rtSize
  return changetype<ArrayBuffer>(address);
}

/**
 * The chunk that `on_chunk` was given, 1 to `CHUNK_CAPACITY` bytes, not copied: it may
 * be changed in place and is gone when `on_chunk` has returned (`.slice()` keeps it).
 * Where the body is cut into chunks means nothing and differs from run to run.
 */
export function chunk(ptr: usize, len: i32): Uint8Array {
  return Uint8Array.wrap(buffer, <i32>(ptr - changetype<usize>(buffer)), len);
}

/**
 * Sends bytes to the client, and before the first of them the response head if it is
 * not out.
 *
 * Waits while the client does not read, so what a plugin emits needs no bound of its
 * own. If the client goes away meanwhile, this does not return: the instance ends. No
 * bytes, no effect; an empty emit never ends the response.
 */
export function emit(bytes: Uint8Array): void {
  host_emit(bytes.dataStart, bytes.byteLength);
}

/** `emit` for bytes by their address and length, such as those that `on_chunk` gets. */
export function emitRange(ptr: usize, len: i32): void {
  host_emit(ptr, len);
}

/** `emit` for a text, in UTF-8. */
export function emitText(text: string): void {
  const bytes = String.UTF8.encode(text);
  host_emit(address(bytes), bytes.byteLength);
}

/**
 * Writes a line to the host's log, which adds the plugin's name and the exchange.
 *
 * The host takes at most 4 KiB of a line and bounds their rate (100 at once, then 10 a
 * second): what is too much is dropped, never waited for.
 */
export function log(level: Level, line: string): void {
  const bytes = String.UTF8.encode(line);
  host_log(level, address(bytes), bytes.byteLength);
}

/**
 * A field of the request head, null if the request does not have it.
 *
 * Names are case-insensitive. Several fields of one name come as one value, joined with
 * ", ". `:method :path :query :version :peer :plugin` work too. Bytes that are not
 * UTF-8, which HTTP allows, are replaced.
 */
export function requestField(name: string): string | null {
  return ask(host_request_field, name);
}

/** A value of `config` in the plugin's manifest, null if it is not there. */
export function config(key: string): string | null {
  return ask(host_config, key);
}

/** Longer than most values in bytes, so that one hostcall is enough for most. */
const FIRST_TRY: i32 = 256;

/** The host tells a value's length, -1 if there is none, and writes it only if it fits. */
function ask(hostcall: (name: usize, nameLen: i32, buf: usize, cap: i32) => i32, name: string): string | null {
  const key = String.UTF8.encode(name);
  let into = new ArrayBuffer(FIRST_TRY);
  let length = hostcall(address(key), key.byteLength, address(into), into.byteLength);
  if (length > into.byteLength) {
    into = new ArrayBuffer(length);
    length = hostcall(address(key), key.byteLength, address(into), into.byteLength);
  }
  return length < 0 ? null : String.UTF8.decodeUnsafe(address(into), length);
}

// @ts-ignore: decorator
@inline
function address(bytes: ArrayBuffer): usize {
  return changetype<usize>(bytes);
}

/**
 * Sets the response's status, 200 to 599; without it, 200. False, and nothing changes,
 * once the head is out and for other codes.
 */
export function responseStatus(code: i32): bool {
  return host_response_status(code) == 0;
}

/**
 * Sets a field of the response head, in place of an earlier one of that name
 * (`set-cookie` alone adds).
 *
 * False, and nothing changes, once the head is out, if the name is not a field name or
 * is the host's own (`connection`, `transfer-encoding`, `date` and others), if the value
 * has CR, LF or another control character in it, and beyond 64 fields or 16 KiB.
 * A `content-length` is accepted, and then enforced on what is emitted.
 */
export function responseField(name: string, value: string): bool {
  const key = String.UTF8.encode(name);
  const bytes = String.UTF8.encode(value);
  return host_response_field(address(key), key.byteLength, address(bytes), bytes.byteLength) == 0;
}

/**
 * Has `on_timer` called once, that many milliseconds from now (1 to 2^31 - 1), body or no
 * body. It replaces a timer that was set before. The end of a body cancels it; one that
 * is set in `on_end` holds the response open until it has fired, and so does any in an
 * exchange without a body.
 *
 * False if the module exports no `on_timer`.
 */
export function setTimer(milliseconds: i32): bool {
  return host_set_timer(max(milliseconds, 1)) == 0;
}

/** Takes back the timer that `setTimer` set, if it has not fired. */
export function cancelTimer(): void {
  host_set_timer(0);
}

/** The longest line in bytes that `Lines` takes if it is given no other bound: 64 KiB. */
export const MAX_LINE: i32 = 65_536;

/**
 * Cuts a body into lines, the same ones wherever it is cut into chunks.
 *
 *     const lines = new Lines();
 *
 *     export function on_chunk(ptr: usize, len: i32): Next {
 *       return lines.feed(chunk(ptr, len), onLine) ? Next.GoOn : Next.Reject;
 *     }
 *
 *     export function on_end(): End {
 *       lines.end(onLine);
 *       return End.Done;
 *     }
 *
 * A line that lies within one chunk is handed on from there, not copied. Of one that
 * does not, at most `max` bytes are kept.
 */
export class Lines {
  /** The beginning of the line under way, in `keeps` bytes of this; no "\n" in it. */
  private rest: Uint8Array = new Uint8Array(0);
  private keeps: i32 = 0;

  /** @param max The longest line in bytes, its "\n" not counted. */
  constructor(private max: i32 = MAX_LINE) {}

  /**
   * Calls `each` for each line that is complete with these bytes, in order.
   *
   * A line has its "\n" at the end (and the "\r" before it, if any). It may be changed
   * in place, and is gone when `each` has returned.
   *
   * False as soon as a line has more than `max` bytes; nothing more can be fed then.
   */
  feed(bytes: Uint8Array, each: (line: Uint8Array) => void): bool {
    let from = 0;
    while (from < bytes.length) {
      const at = bytes.indexOf(NEWLINE, from);
      const to = at < 0 ? bytes.length : at;
      if (to - from > this.max - this.keeps) return false;
      if (at < 0) {
        this.keep(bytes, from, to);
        return true;
      }
      if (this.keeps > 0) {
        this.keep(bytes, from, to + 1);
        const length = this.keeps;
        this.keeps = 0;
        each(this.rest.subarray(0, length));
      } else {
        each(bytes.subarray(from, to + 1));
      }
      from = to + 1;
    }
    return true;
  }

  /** Calls `each` for a last line that has no "\n", if there is one. */
  end(each: (line: Uint8Array) => void): void {
    const length = this.keeps;
    this.keeps = 0;
    if (length > 0) each(this.rest.subarray(0, length));
  }

  private keep(bytes: Uint8Array, from: i32, to: i32): void {
    const length = this.keeps + (to - from);
    if (length > this.rest.length) {
      // Twice as much as needed, so that a long line in small pieces is not copied for
      // each of them; but for its "\n" no line is longer than max.
      const larger = new Uint8Array(<i32>min<i64>(<i64>length * 2, <i64>this.max + 1));
      memory.copy(larger.dataStart, this.rest.dataStart, this.keeps);
      this.rest = larger;
    }
    memory.copy(this.rest.dataStart + this.keeps, bytes.dataStart + from, to - from);
    this.keeps = length;
  }
}

const NEWLINE: u8 = 0x0a;

/** What the compiler calls when the program fails: says why and where, then traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const reason = message === null ? "" : ": " + message;
  const place = file === null ? "" : " at " + file + ":" + line.toString() + ":" + column.toString();
  log(Level.Error, "aborted" + place + reason);
  unreachable();
}

// The hostcalls of version 1 of the plugin interface. Pointers and lengths are unsigned
// 32-bit numbers.

// @ts-ignore: decorator
@external("wasmplex", "emit")
declare function host_emit(ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("wasmplex", "log")
declare function host_log(level: i32, ptr: usize, len: i32): void;

// @ts-ignore: decorator
@external("wasmplex", "request_field")
declare function host_request_field(name: usize, nameLen: i32, buf: usize, cap: i32): i32;

// @ts-ignore: decorator
@external("wasmplex", "config")
declare function host_config(key: usize, keyLen: i32, buf: usize, cap: i32): i32;

// @ts-ignore: decorator
@external("wasmplex", "response_status")
declare function host_response_status(code: i32): i32;

// @ts-ignore: decorator
@external("wasmplex", "response_field")
declare function host_response_field(name: usize, nameLen: i32, value: usize, valueLen: i32): i32;

// @ts-ignore: decorator
@external("wasmplex", "set_timer")
declare function host_set_timer(milliseconds: i32): i32;
