//! plugin-name: each word gets a capital.
const std = @import("std");
const wasmplex = @import("wasmplex");

pub const panic = wasmplex.panic;

/// The host makes one for every exchange, and calls it for each chunk of the body while the
/// upload is still open. Where a chunk begins and ends means nothing: what must last from one to
/// the next is a field.
const Title = struct {
    /// Whether the byte before this one belongs to a word.
    in_word: bool = false,

    pub fn onChunk(self: *Title, chunk: []u8) wasmplex.Next {
        for (chunk) |*byte| {
            const before = byte.*;
            if (!self.in_word) byte.* = std.ascii.toUpper(before);
            self.in_word = isOfWord(before);
        }
        wasmplex.emit(chunk);
        return .go_on;
    }
};

/// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
fn isOfWord(byte: u8) bool {
    return std.ascii.isAlphanumeric(byte) or byte == '\'' or !std.ascii.isAscii(byte);
}

comptime {
    wasmplex.exportPlugin(Title);
}
