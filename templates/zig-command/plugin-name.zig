//! plugin-name: each word gets a capital.
//!
//! An ordinary program: what it reads from standard input is the body, what it writes to standard
//! output is the response. `fd_read` gives what has arrived, and waits only while there is nothing;
//! `fd_write` is with the client at once.
const std = @import("std");
const wasi = std.os.wasi;

const stdin = 0;
const stdout = 1;

var buffer: [65536]u8 = undefined;

pub fn main() u8 {
    var in_word = false;
    while (read()) |piece| {
        if (piece.len == 0) return 0;
        for (piece) |*byte| {
            const before = byte.*;
            if (!in_word) byte.* = std.ascii.toUpper(before);
            in_word = isOfWord(before);
        }
        if (!write(piece)) return 1;
    }
    return 1;
}

/// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
fn isOfWord(byte: u8) bool {
    return std.ascii.isAlphanumeric(byte) or byte == '\'' or !std.ascii.isAscii(byte);
}

/// What has arrived, nothing at the end, null if it cannot be read.
fn read() ?[]u8 {
    const area = [_]wasi.iovec_t{.{ .base = &buffer, .len = buffer.len }};
    var len: usize = 0;
    if (wasi.fd_read(stdin, &area, area.len, &len) != .SUCCESS) return null;
    return buffer[0..len];
}

fn write(bytes: []const u8) bool {
    var rest = bytes;
    while (rest.len > 0) {
        const piece = [_]wasi.ciovec_t{.{ .base = rest.ptr, .len = rest.len }};
        var written: usize = 0;
        if (wasi.fd_write(stdout, &piece, piece.len, &written) != .SUCCESS) return false;
        rest = rest[written..];
    }
    return true;
}
