//! An exchange whose bytes come and go as the messages of a WebSocket.

use std::sync::Arc;

use super::connection::Connection;
use super::verdict::Verdict;
use crate::exchange::chain::{Stage, drive_chain};
use crate::exchange::messages::{Messages, Talk};
use crate::exchange::{Broken, Finished, Source as _, flush_taking};
use crate::plugin::Account;
use crate::websocket::close;
use crate::websocket::handshake::Handshake;

/// From the next response head on, this connection is a WebSocket.
pub(super) fn begin(connection: &mut Connection, handshake: Handshake) {
    let options = &connection.shared.options;
    connection.outbound.converse(handshake);
    let talk = Talk::new(connection.outbound.clone(), options.websocket_message, options.websocket_ping);
    connection.talk = Some(Box::new(talk));
}

/// Both directions at once, to a Close frame. With the client's own Close the answer has its code
/// (RFC 6455 section 5.5.1); where the plugin is first, all is well too.
pub(super) async fn duplex(
    connection: &mut Connection,
    account: &Arc<Account>,
    stages: &[Stage],
) -> Result<Finished, (usize, Broken)> {
    let waterline = Arc::clone(&connection.shared.waterline);
    let Connection { inbound, outbound, talk: Some(talk), .. } = connection else {
        return Err((0, Broken::Gone));
    };
    let mut messages = Messages { wire: inbound, talk: talk.as_mut() };
    let finished = drive_chain(stages, account, &waterline, &mut messages, outbound).await?;
    let code = messages.talk.close().flatten().unwrap_or(close::NORMAL);
    outbound.close(code, "");
    messages.drop_rest();
    // It is not over before it has left.
    flush_taking(&mut messages, outbound).await.map_err(|broken| (stages.len() - 1, broken))?;
    Ok(finished)
}

/// Says in a Close frame why an exchange is cut, if it is a WebSocket's.
pub(super) fn fail(connection: &Connection, verdict: &Verdict) {
    if connection.talk.is_some() {
        let reason = verdict.answer.as_ref().map_or("", |(_, line)| line);
        connection.outbound.close(verdict.close, reason);
    }
}
