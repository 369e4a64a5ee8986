//! The flags of WebSocket.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Optional};
use crate::websocket::origin::{Listed, Origins};

/// What browsers and other clients of a WebSocket may do
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "WebSocket")]
pub(super) struct WebSocketArgs {
    /// Origin whose pages may open a WebSocket here, such as `https://example.org`; * is any. May be given
    /// several times. The host's own may anyway, and so may whatever is no browser
    #[arg(long, value_name = "ORIGIN", env = "WASMPLEX_WEBSOCKET_ORIGIN", value_delimiter = ',')]
    websocket_origin: Vec<Listed>,
    /// Longest message of a WebSocket, or off. Beyond 64 KiB a message goes through the plugin in pieces,
    /// so a long one takes no memory
    #[arg(long, value_name = "SIZE", default_value = "16MiB", env = "WASMPLEX_WEBSOCKET_MESSAGE", value_parser = config::optional_size)]
    websocket_message: Optional<u64>,
    /// Silence after which a WebSocket's client is asked whether it is there, and after which it is gone
    /// if it does not answer; or off
    #[arg(long, value_name = "TIME", default_value = "30s", env = "WASMPLEX_WEBSOCKET_PING", value_parser = config::optional_time)]
    websocket_ping: Optional<Duration>,
}

impl WebSocketArgs {
    /// Whose pages may ask.
    pub(super) fn origins(&self) -> Arc<Origins> {
        Arc::new(self.websocket_origin.iter().cloned().collect())
    }

    /// The longest message, in bytes.
    pub(super) const fn message(&self) -> Option<u64> {
        self.websocket_message.0
    }

    /// How long a client may be silent.
    pub(super) const fn ping(&self) -> Option<Duration> {
        self.websocket_ping.0
    }
}
