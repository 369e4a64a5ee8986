//! Write wasmplex plugins in Zig (0.17).
//!
//! A plugin turns the body of an HTTP request into the body of its response while the
//! request is still arriving. It is a struct with an `onChunk`, and this in its file:
//!
//!     const wasmplex = @import("wasmplex");
//!
//!     pub const panic = wasmplex.panic;
//!
//!     const Copy = struct {
//!         pub fn onChunk(_: *Copy, chunk: []u8) wasmplex.Next {
//!             wasmplex.emit(chunk);
//!             return .go_on;
//!         }
//!     };
//!
//!     comptime {
//!         wasmplex.exportPlugin(Copy);
//!     }
//!
//! One instance of the module serves one exchange (a request and its response) on one
//! thread, so the struct's fields are the state of that exchange alone.
const builtin = @import("builtin");
const std = @import("std");

/// The longest chunk, in bytes.
pub const chunk_max = 65_536;

/// The longest line of `log`, in bytes; the host cuts what is longer.
pub const log_max = 4_096;

/// What `onOpen` answers.
pub const Opened = enum(i32) {
    /// The response head leaves, and the body comes.
    go_on = 0,
    /// The response is complete; no byte of the body is read.
    finish = 1,
    /// Copy the body through unchanged, without asking the plugin again.
    pass = 2,
    /// Keep the head back until the first emit or the end, so that the status may depend
    /// on the body.
    hold = 3,
};

/// What `onChunk` and `onTimer` answer.
pub const Next = enum(i32) {
    /// The next chunk may come.
    go_on = 0,
    /// The response is complete, whatever is still to come of the body.
    finish = 1,
    /// Copy the rest of the body through unchanged, without asking the plugin again.
    pass = 2,
};

/// How much a log line matters.
pub const Level = enum(i32) { trace, debug, info, warn, err };

/// Makes the module's exports of `Plugin`, a struct whose fields all have defaults. Once, in
/// a `comptime` block. Its public functions, `onChunk` required:
///
/// - `onOpen(*Plugin) Opened`: before the response head leaves; nothing of the body is read.
/// - `onChunk(*Plugin, []u8) Next`: a piece of the body, 1 to `chunk_max` bytes, yours to
///   change in place. Where the body is cut means nothing. Overwritten by the next call.
/// - `onEnd(*Plugin) void`: the body is complete; never called after one that broke off.
/// - `onTimer(*Plugin) Next`: the timer of `setTimer` has fired.
///
/// Each may return an error union of that, or of nothing (`!void`), which then means `go_on`.
/// An error is logged as a warning and rejects: before the response head is out the client gets
/// the 4xx or 5xx of `responseStatus`, otherwise 500; afterwards the connection is cut.
pub fn exportPlugin(comptime Plugin: type) void {
    const entry = struct {
        var plugin: Plugin = undefined;
        var buffer: [chunk_max]u8 align(16) = undefined;

        /// The first call of all. The plugin is made here, and not in a segment of the
        /// module, where its buffers would be in the file.
        fn chunkBuffer(cap: usize) callconv(.c) ?[*]u8 {
            plugin = .{};
            return if (cap <= buffer.len) &buffer else null;
        }
        fn onOpen() callconv(.c) i32 {
            return answer(Opened, plugin.onOpen());
        }
        fn onChunk(ptr: [*]u8, len: usize) callconv(.c) i32 {
            return answer(Next, plugin.onChunk(ptr[0..len]));
        }
        fn onEnd() callconv(.c) i32 {
            return answer(void, plugin.onEnd());
        }
        fn onTimer() callconv(.c) i32 {
            return answer(Next, plugin.onTimer());
        }
    };
    if (!builtin.cpu.arch.isWasm()) return; // a native test calls the struct itself
    @export(&entry.chunkBuffer, .{ .name = "chunk_buffer" });
    @export(&entry.onChunk, .{ .name = "on_chunk" });
    if (@hasDecl(Plugin, "onOpen")) @export(&entry.onOpen, .{ .name = "on_open" });
    if (@hasDecl(Plugin, "onEnd")) @export(&entry.onEnd, .{ .name = "on_end" });
    if (@hasDecl(Plugin, "onTimer")) @export(&entry.onTimer, .{ .name = "on_timer" });
}

/// What an entry point tells the host.
fn answer(comptime Code: type, result: anytype) i32 {
    if (@typeInfo(@TypeOf(result)) == .error_union) {
        const code = result catch |err| {
            if (err != error.Rejected) log(.warn, @errorName(err)); // reject() has logged why
            return -1;
        };
        return answer(Code, code);
    }
    if (@TypeOf(result) == void) return 0;
    return @backingInt(@as(Code, result));
}

/// Sends bytes to the client, and before the first of them the response head if it is not
/// out yet. Waits while the client does not read, so nothing need be bounded here, and does not
/// return if it goes away. No bytes, no effect.
pub fn emit(bytes: []const u8) void {
    _ = host.emit(bytes.ptr, bytes.len);
}

/// A writer whose bytes are emitted, for formatted text. What is in `buffer` is emitted when
/// that is full and by `flush`; it is not flushed by itself.
///
///     var buffer: [256]u8 = undefined;
///     var out = wasmplex.writer(&buffer);
///     try out.print("{d} lines\n", .{count});
///     try out.flush();
pub fn writer(buffer: []u8) std.Io.Writer {
    return .{ .vtable = &.{ .drain = drain }, .buffer = buffer };
}

fn drain(out: *std.Io.Writer, data: []const []const u8, splat: usize) std.Io.Writer.Error!usize {
    emit(out.buffered());
    out.end = 0;
    var taken: usize = 0;
    for (data[0 .. data.len - 1]) |bytes| {
        emit(bytes);
        taken += bytes.len;
    }
    const repeated = data[data.len - 1];
    for (0..splat) |_| {
        emit(repeated);
        taken += repeated.len;
    }
    return taken;
}

/// Writes a line of UTF-8 (anything else is replaced) to the host's log, which adds plugin and
/// exchange. At most `log_max` bytes, and 100 lines at once, then 10 a second; what is too
/// much is dropped.
pub fn log(level: Level, line: []const u8) void {
    host.log(@backingInt(level), line.ptr, line.len);
}

/// For `std.log`, lines of at most 512 bytes. In the plugin's root file:
///
///     pub const std_options: std.Options = .{ .logFn = wasmplex.logFn };
pub fn logFn(
    comptime level: std.log.Level,
    comptime scope: @EnumLiteral(),
    comptime format: []const u8,
    args: anytype,
) void {
    const prefix = if (scope == .default) "" else @tagName(scope) ++ ": ";
    var buffer: [512]u8 = undefined;
    var line: std.Io.Writer = .fixed(&buffer);
    line.print(prefix ++ format, args) catch {}; // what fits is still worth logging
    log(switch (level) {
        .err => .err,
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, line.buffered());
}

/// Logs panics as errors, then traps. In the plugin's root file:
///
///     pub const panic = wasmplex.panic;
pub const panic = std.debug.FullPanic(panicked);

fn panicked(message: []const u8, _: ?usize) noreturn {
    log(.err, message);
    @trap();
}

/// A value is longer than the buffer that was given for it.
pub const ValueError = error{TooLong};

/// A field of the request head, copied to `buf`: null if the request has none of that name,
/// `error.TooLong` (and `buf` unchanged) if it does not fit. Names are case-insensitive; fields
/// of one name are joined with ", ". `:method :path :query :version :peer :plugin` are there too.
pub fn requestField(name: []const u8, buf: []u8) ValueError!?[]u8 {
    return copied(host.request_field(name.ptr, name.len, buf.ptr, buf.len), buf);
}

/// A value of `config` in the plugin's manifest, as `requestField`.
pub fn config(key: []const u8, buf: []u8) ValueError!?[]u8 {
    return copied(host.config(key.ptr, key.len, buf.ptr, buf.len), buf);
}

/// The host answers with the value's length, -1 if there is none, and writes what fits only.
fn copied(len: i32, buf: []u8) ValueError!?[]u8 {
    if (len < 0) return null;
    const needed: usize = @intCast(len);
    return if (needed <= buf.len) buf[0..needed] else error.TooLong;
}

/// The host did not take a change to the response head; the head is as it was.
pub const HeadError = error{HeadRefused};

/// Sets the response's status, 200 to 599; without it, 200. An error once the head is out.
pub fn responseStatus(code: u16) HeadError!void {
    if (host.response_status(code) < 0) return error.HeadRefused;
}

/// Sets a field of the response head in place of an earlier one of that name (`set-cookie`
/// adds). An error once the head is out, or if it is invalid (not a token; CR, LF or NUL), the
/// host's own (`connection`, `transfer-encoding`, `date`, …), or beyond 64 fields or 16 KiB.
/// `content-length` is taken, and then enforced on what is emitted.
pub fn responseField(name: []const u8, value: []const u8) HeadError!void {
    if (host.response_field(name.ptr, name.len, value.ptr, value.len) < 0) return error.HeadRefused;
}

/// Refuses the exchange: logs why, sets the status (400 to 599) if the head is not out yet, and
/// is the error for the entry point to return.
/// `return wasmplex.reject(413, "a line is too long");`
pub fn reject(status: u16, reason: []const u8) error{Rejected} {
    log(.warn, reason);
    responseStatus(status) catch {}; // the head is out: the connection is cut instead
    return error.Rejected;
}

/// Has `onTimer` called once, `ms` (1 or more) milliseconds from now, in place of a timer set
/// before. The end of the body cancels it, unless it is set in `onEnd` or there was no body.
/// An error if the plugin has no `onTimer`.
pub fn setTimer(ms: u32) error{NoTimer}!void {
    if (host.set_timer(@max(ms, 1)) < 0) return error.NoTimer;
}

/// Takes back the timer of `setTimer`, if it has not fired.
pub fn cancelTimer() void {
    _ = host.set_timer(0);
}

/// Cuts a body into lines of at most `max` bytes (newline not counted), whatever the chunk
/// borders: the same body gives the same lines, and the same error, however it is cut. A field
/// of the plugin, `lines: wasmplex.Lines(8192) = .{}`; then in `onChunk`:
///
///     self.lines.feed(chunk);
///     while (try self.lines.next()) |line| { ... }
///
/// and in `onEnd`: `if (try self.lines.last()) |line| { ... }`.
pub fn Lines(comptime max: usize) type {
    return struct {
        /// The beginning of a line whose end has not come yet.
        held: [max]u8 = undefined,
        held_len: usize = 0,
        /// What of the chunk has not been looked at.
        rest: []u8 = &.{},
        too_long: bool = false,

        const Self = @This();

        /// From then on `next` and `last` answer nothing else.
        pub const Error = error{LineTooLong};

        /// Gives a chunk. `next` must have answered null to the one before.
        pub fn feed(self: *Self, chunk: []u8) void {
            if (self.rest.len != 0) @panic("Lines.feed before next answered null");
            self.rest = chunk;
        }

        /// The next line that ended in a newline, without it (a carriage return before it is
        /// part of the line); null when there is no whole line left. It may be changed in
        /// place, and is good until the next call here, at most until the entry point returns.
        pub fn next(self: *Self) Error!?[]u8 {
            const newline = std.mem.findScalar(u8, self.rest, '\n');
            const piece = self.rest[0 .. newline orelse self.rest.len];
            if (self.too_long or piece.len > max - self.held_len) {
                self.too_long = true;
                self.rest = &.{};
                return error.LineTooLong;
            }
            self.rest = self.rest[if (newline) |at| at + 1 else self.rest.len..];
            if (newline != null and self.held_len == 0) return piece;
            @memcpy(self.held[self.held_len..][0..piece.len], piece);
            self.held_len += piece.len;
            return if (newline == null) null else self.takeHeld();
        }

        /// In `onEnd`: what followed the last newline, if it is not empty.
        pub fn last(self: *Self) Error!?[]u8 {
            if (self.too_long) return error.LineTooLong;
            return if (self.held_len == 0) null else self.takeHeld();
        }

        fn takeHeld(self: *Self) []u8 {
            defer self.held_len = 0;
            return self.held[0..self.held_len];
        }
    };
}

/// Help for `zig test` of a plugin's file, which runs natively: there the host keeps what is
/// emitted and knows no fields.
pub const testing = struct {
    /// Checks that `Plugin` takes all of a body and what it emits, with the body whole, byte by byte and cut in two
    /// at every place, so for bodies of some kilobytes at most: the time grows with the square.
    pub fn expectEmitted(comptime Plugin: type, wanted: []const u8, body: []const u8) !void {
        for (0..body.len + 1) |first| try expectCut(Plugin, wanted, body, first, body.len);
        try expectCut(Plugin, wanted, body, 1, 1);
    }

    /// The first chunk has `first` bytes, all others `others`.
    fn expectCut(
        comptime Plugin: type,
        wanted: []const u8,
        body: []const u8,
        first: usize,
        others: usize,
    ) !void {
        const gpa = std.testing.allocator;
        defer host.emitted.clearAndFree(gpa);
        var plugin: Plugin = .{};
        if (@hasDecl(Plugin, "onOpen")) {
            const opened = answer(Opened, plugin.onOpen());
            try std.testing.expect(opened == 0 or opened == @backingInt(Opened.hold));
        }
        var rest = body;
        var piece = first;
        while (rest.len > 0) : (piece = others) {
            const chunk = try gpa.dupe(u8, rest[0..@min(piece, rest.len, chunk_max)]);
            defer gpa.free(chunk);
            rest = rest[chunk.len..];
            if (chunk.len == 0) continue;
            try std.testing.expectEqual(0, answer(Next, plugin.onChunk(chunk)));
        }
        if (@hasDecl(Plugin, "onEnd")) try std.testing.expectEqual(0, answer(void, plugin.onEnd()));
        try std.testing.expectEqualStrings(wanted, host.emitted.items);
    }
};

/// The imports as they are on the wire.
const host = if (builtin.cpu.arch.isWasm()) struct {
    extern "wasmplex" fn emit(ptr: [*]const u8, len: usize) i32;
    extern "wasmplex" fn log(level: i32, ptr: [*]const u8, len: usize) void;
    extern "wasmplex" fn request_field(
        name: [*]const u8,
        name_len: usize,
        buf: [*]u8,
        cap: usize,
    ) i32;
    extern "wasmplex" fn response_status(code: i32) i32;
    extern "wasmplex" fn response_field(
        name: [*]const u8,
        name_len: usize,
        value: [*]const u8,
        value_len: usize,
    ) i32;
    extern "wasmplex" fn config(key: [*]const u8, key_len: usize, buf: [*]u8, cap: usize) i32;
    extern "wasmplex" fn set_timer(ms: u32) i32;
} else struct {
    var emitted: std.ArrayList(u8) = .empty;

    fn emit(ptr: [*]const u8, len: usize) i32 {
        emitted.appendSlice(std.testing.allocator, ptr[0..len]) catch @panic("out of memory");
        return 0;
    }
    fn log(level: i32, ptr: [*]const u8, len: usize) void {
        std.debug.print("log {d}: {s}\n", .{ level, ptr[0..len] });
    }
    fn request_field(_: [*]const u8, _: usize, _: [*]u8, _: usize) i32 {
        return -1;
    }
    fn response_status(_: i32) i32 {
        return 0;
    }
    fn response_field(_: [*]const u8, _: usize, _: [*]const u8, _: usize) i32 {
        return 0;
    }
    fn config(_: [*]const u8, _: usize, _: [*]u8, _: usize) i32 {
        return -1;
    }
    fn set_timer(_: u32) i32 {
        return 0;
    }
};

/// Each line in brackets, and the way the body ended.
const Brackets = struct {
    lines: Lines(5) = .{},

    pub fn onChunk(self: *Brackets, chunk: []u8) !void {
        self.lines.feed(chunk);
        while (self.lines.next() catch return) |line| {
            var buffer: [4]u8 = undefined;
            var out = writer(&buffer);
            try out.print("[{s}]", .{line});
            try out.flush();
        }
    }

    pub fn onEnd(self: *Brackets) !void {
        const line = self.lines.last() catch return emit("too long");
        if (line) |bytes| {
            emit(bytes);
            emit(".");
        }
    }
};

test "lines, however the body is cut" {
    try testing.expectEmitted(Brackets, "", "");
    try testing.expectEmitted(Brackets, "[]", "\n");
    try testing.expectEmitted(Brackets, "a.", "a");
    try testing.expectEmitted(Brackets, "[one][two\r][]three.", "one\ntwo\r\n\nthree");
    try testing.expectEmitted(Brackets, "[][][12345]12345.", "\n\n12345\n12345");
    try testing.expectEmitted(Brackets, "[12345]too long", "12345\n123456\n1\n");
    try testing.expectEmitted(Brackets, "too long", "123456");
}

test "a writer without a buffer, and one that is filled many times" {
    const gpa = std.testing.allocator;
    defer host.emitted.clearAndFree(gpa);
    for ([_]usize{ 0, 1, 7, 64 }) |size| {
        host.emitted.clearRetainingCapacity();
        var buffer: [64]u8 = undefined;
        var out = writer(buffer[0..size]);
        try out.print("{s} {d:0>3}", .{ "number", 7 });
        try out.splatByteAll('-', 70);
        try out.flush();
        const dashes: [70]u8 = @splat('-');
        try std.testing.expectEqualStrings("number 007" ++ dashes, host.emitted.items);
    }
}

test "what the entry points answer" {
    const E = error{Bad};
    try std.testing.expectEqual(2, answer(Next, @as(E!Next, .pass)));
    try std.testing.expectEqual(3, answer(Opened, Opened.hold));
    try std.testing.expectEqual(0, answer(Next, @as(E!void, {})));
    try std.testing.expectEqual(-1, answer(Next, @as(error{Rejected}!Next, error.Rejected)));
}

test "values fit or say that they do not" {
    var buf: [4]u8 = "abcd".*;
    try std.testing.expectEqual(null, try copied(-1, &buf));
    try std.testing.expectEqualStrings("abcd", (try copied(4, &buf)).?);
    try std.testing.expectEqualStrings("", (try copied(0, &.{})).?);
    try std.testing.expectError(error.TooLong, copied(5, &buf));
}
