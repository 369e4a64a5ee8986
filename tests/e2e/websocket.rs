//! WebSocket (RFC 6455): messages are chunks, an emit is a message.

mod ends;
mod handshake;
mod messages;
mod pressure;
mod violations;
mod ways;
