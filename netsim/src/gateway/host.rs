//! What a gateway wants of the host, and what the host's side tells it.
//!
//! Connections have numbers: those that a station opens are numbered by the gateway from 0, those that come in through
//! a forward by the host's side from [`FIRST_ACCEPTED`].

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// Numbers of accepted connections begin here.
pub const FIRST_ACCEPTED: u32 = 1 << 31;

/// Bytes that the host's side may have sent beyond those that the stations took, and the other way round.
pub const HOST_WINDOW: u32 = 65_535;

/// What a gateway wants of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostRequest {
    /// Open a TCP connection. Answered by [`HostEvent::Connected`] or [`HostEvent::Refused`].
    Connect {
        /// Its number from now on.
        conn: u32,
        /// To where.
        to: SocketAddr,
    },
    /// Send bytes. Answered by [`HostEvent::Written`] once the host's socket took them.
    Send {
        /// Which connection.
        conn: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Nothing more will be sent: shut the connection down for writing after the last byte. A connection for which
    /// this was asked and [`HostEvent::Eof`] was reported is over, and both sides forget it.
    ShutdownWrite {
        /// Which connection.
        conn: u32,
    },
    /// Break the connection off, with a reset. Both sides forget it.
    Close {
        /// Which connection.
        conn: u32,
    },
    /// This many more bytes may be reported by [`HostEvent::Data`]. A connection begins with none.
    Window {
        /// Which connection.
        conn: u32,
        /// How many more.
        bytes: u32,
    },
    /// Send a datagram from the flow's own socket, which is opened when the flow is first named.
    Udp {
        /// Which flow.
        flow: u32,
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// The flow is over.
    UdpClose {
        /// Which flow.
        flow: u32,
    },
    /// Send a datagram from the socket of a forward.
    UdpReply {
        /// Which forward, by its place in the configuration.
        forward: u16,
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Find the addresses of a name. Answered by [`HostEvent::Resolved`].
    Resolve {
        /// Number of the question.
        id: u32,
        /// The name.
        name: String,
    },
}

/// What the host's side tells a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostEvent {
    /// Somebody connected to a forward.
    Accepted {
        /// Which forward, by its place in the configuration.
        forward: u16,
        /// The connection's number, at least [`FIRST_ACCEPTED`].
        conn: u32,
    },
    /// A connection is open.
    Connected {
        /// Which.
        conn: u32,
    },
    /// A connection cannot be opened. It is forgotten.
    Refused {
        /// Which.
        conn: u32,
    },
    /// Bytes came in.
    Data {
        /// Through which connection.
        conn: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The other end sends no more.
    Eof {
        /// Of which connection.
        conn: u32,
    },
    /// A connection broke. It is forgotten.
    Reset {
        /// Which.
        conn: u32,
    },
    /// So many bytes of what was to be sent are in the hands of the host's network.
    Written {
        /// Through which connection.
        conn: u32,
        /// How many.
        bytes: u32,
    },
    /// A datagram came to a flow's socket.
    UdpData {
        /// Which flow.
        flow: u32,
        /// From whom.
        from: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// A datagram came to the socket of a forward.
    UdpForward {
        /// Which forward, by its place in the configuration.
        forward: u16,
        /// From whom.
        from: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// The addresses of a name; none: there is no such name.
    Resolved {
        /// Number of the question.
        id: u32,
        /// The addresses.
        addrs: Vec<Ipv4Addr>,
    },
    /// The host's side is a new one and knows nothing of any connection, flow or question: said first when a saved
    /// fleet goes on, or a replayed one goes on live.
    Lost,
}
