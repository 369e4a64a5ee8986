//! The trait that a plugin implements, and the answers that it gives the host.

/// One plugin, running for one exchange (a request and its response).
///
/// The host makes a fresh instance of the whole module for each exchange, so a
/// value of this type sees exactly one body, and its fields are state of that
/// exchange alone. It is made by [`Default`] just before [`on_open`](Plugin::on_open),
/// where all hostcalls but [`emit`](crate::emit) are already of use.
///
/// The host calls, in this order: `on_open` once, `on_chunk` for each chunk, and
/// `on_end` once if the body was complete. `on_timer` comes in between, whenever
/// a timer fires. When the client goes away nothing more is called, and the value
/// is not dropped: its memory just goes.
pub trait Plugin: Default + 'static {
    /// The request has been accepted; the response head is not out yet.
    ///
    /// The place for [`response_status`](crate::response_status) and
    /// [`response_field`](crate::response_field). The head leaves when this
    /// returns, before any of the body is awaited, unless it returns [`Open::Hold`].
    fn on_open(&mut self) -> Open {
        Open::GoOn
    }

    /// The next piece of the request body, 1 to [`CHUNK_CAPACITY`](crate::CHUNK_CAPACITY)
    /// (65,536) bytes, while the upload may still be open.
    ///
    /// Where the body is cut into chunks means nothing and differs from run to run.
    /// The bytes are yours to change in place: [`emit`](crate::emit) them from there.
    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next;

    /// The request body is complete: emit what is still held back.
    ///
    /// Never called for a body that broke off.
    fn on_end(&mut self) -> End {
        End::Done
    }

    /// The timer of [`set_timer`](crate::set_timer) fired.
    fn on_timer(&mut self) -> Next {
        Next::GoOn
    }
}

/// How [`Plugin::on_open`] wants the exchange to go on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(i32)]
pub enum Open {
    /// Send the response head now and hand over the body.
    GoOn = 0,
    /// The response is complete without reading the body.
    Finish = 1,
    /// Copy the whole body through unchanged; `on_chunk` will not be called.
    Pass = 2,
    /// Hand over the body, but hold the head back until the first emit or the
    /// end, so that status and fields can depend on the body.
    Hold = 3,
    /// Fail the exchange: 500, or the status that
    /// [`response_status`](crate::response_status) set if that is 400 or above.
    Reject = -1,
}

/// How [`Plugin::on_chunk`] and [`Plugin::on_timer`] want the exchange to go on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(i32)]
pub enum Next {
    /// Hand over the next chunk.
    GoOn = 0,
    /// The response is complete; what is left of the body is not read. The client
    /// still gets every byte emitted so far.
    Finish = 1,
    /// Copy the rest of the body through unchanged.
    Pass = 2,
    /// Fail the exchange: an error response while the head is held back,
    /// otherwise a cut connection. The client never takes it for a clean end.
    Reject = -1,
}

/// How [`Plugin::on_end`] ends the exchange.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(i32)]
pub enum End {
    /// A clean end of the response.
    Done = 0,
    /// Fail the exchange, as [`Next::Reject`].
    Reject = -1,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_abi_version_1() {
        let open = [Open::GoOn, Open::Finish, Open::Pass, Open::Hold, Open::Reject];
        assert_eq!(open.map(|code| code as i32), [0, 1, 2, 3, -1]);
        let next = [Next::GoOn, Next::Finish, Next::Pass, Next::Reject];
        assert_eq!(next.map(|code| code as i32), [0, 1, 2, -1]);
        assert_eq!([End::Done, End::Reject].map(|code| code as i32), [0, -1]);
    }
}
