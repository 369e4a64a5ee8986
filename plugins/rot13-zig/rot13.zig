//! rot13 in Zig: ASCII letters move 13 places along the alphabet, all other bytes stay.
//!
//!     wasmplex build plugins/rot13-zig -o plugins/rot13-zig.wasm
//!     curl -sN -T . http://127.0.0.1:8080/rot13-zig
const wasmplex = @import("wasmplex");

pub const panic = wasmplex.panic;

/// Has no state from byte to byte, so it does not matter where the body is cut.
const Rot13 = struct {
    /// In place in the chunk buffer, and from there to the client in one emit.
    pub fn onChunk(_: *Rot13, chunk: []u8) wasmplex.Next {
        var rest = chunk;
        while (rest.len >= lanes) : (rest = rest[lanes..]) {
            rest[0..lanes].* = rot13(lanes, rest[0..lanes].*);
        }
        for (rest) |*byte| byte.* = rot13(1, .{byte.*})[0];
        wasmplex.emit(chunk);
        return .go_on;
    }
};

/// The bytes of a wasm vector. Zig makes vector instructions of vectors, but not of loops.
const lanes = 16;

/// Without a branch: `| 32` folds upper case onto lower case, then a letter's place is 0 to 25,
/// and all else comes out larger, as the difference wraps.
fn rot13(comptime len: usize, bytes: @Vector(len, u8)) @Vector(len, u8) {
    const Bytes = @Vector(len, u8);
    const place = (bytes | @as(Bytes, @splat(32))) -% @as(Bytes, @splat('a'));
    const ahead: Bytes = @splat(13);
    const back: Bytes = @splat(256 - 13);
    const stay: Bytes = @splat(0);
    const step = @select(u8, place < ahead, ahead, back);
    return bytes +% @select(u8, place < @as(Bytes, @splat(26)), step, stay);
}

comptime {
    wasmplex.exportPlugin(Rot13);
}

test "every byte value, however the body is cut" {
    var body: [256]u8 = undefined;
    var wanted: [256]u8 = undefined;
    for (&body, &wanted, 0..) |*byte, *turned, value| {
        byte.* = @intCast(value);
        turned.* = switch (byte.*) {
            'A'...'M', 'a'...'m' => byte.* + 13,
            'N'...'Z', 'n'...'z' => byte.* - 13,
            else => byte.*,
        };
    }
    try wasmplex.testing.expectEmitted(Rot13, &wanted, &body);
}
