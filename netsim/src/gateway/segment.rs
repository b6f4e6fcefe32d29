//! What goes into and comes out of one end of a TCP connection.

/// A segment without its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    pub seq: u32,
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub window: u16,
    pub mss: Option<u16>,
    pub payload: Vec<u8>,
}

impl Segment {
    /// Its length in sequence numbers.
    pub fn len(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.syn) + u32::from(self.fin)
    }

    /// What answers a segment for a connection that is not there (RFC 9293, 3.10.7.1).
    pub fn refusal(&self) -> Option<Segment> {
        if self.rst {
            return None;
        }
        let (seq, ack) = match self.ack {
            Some(ack) => (ack, None),
            None => (0, Some(self.seq.wrapping_add(self.len()))),
        };
        Some(Segment { seq, ack, rst: true, ..Segment::default() })
    }
}

/// What comes out of an endpoint.
#[derive(Debug, Default)]
pub struct Out {
    /// To the station.
    pub segments: Vec<Segment>,
    /// Bytes from the station, in order.
    pub received: Vec<u8>,
    /// The station sends no more.
    pub eof: bool,
    /// The handshake is done.
    pub opened: bool,
    /// The station broke the connection off, or is gone.
    pub reset: bool,
    /// So many more bytes have reached the station.
    pub acked: u32,
    /// Segments sent again.
    pub resent: u32,
}
