//! `M` and `X` packets whose data are not as long as they say.
//!
//! `gdbstub` ignores the length and would write what is there. Packets are held back until they are whole (it does nothing
//! before that either), and one that says another length is exchanged for one that is refused.

/// A longer packet is passed on as it comes: `gdbstub` refuses it.
const MOST: usize = super::gdb::PACKET_SIZE + 4;
/// Stands for a packet that is wrong: it is well formed, and its answer is an error.
const REFUSED: &[u8] = b"M0,1:00";

/// What goes on to `gdbstub`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Nothing yet.
    Held,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A packet that is to be answered with an error.
    Refused(Vec<u8>),
}

/// The packet that is under way.
#[derive(Default)]
pub(crate) struct Writes {
    held: Vec<u8>,
}

impl Writes {
    /// Takes the next byte from gdb.
    pub(crate) fn pass(&mut self, byte: u8) -> Passed {
        if self.held.is_empty() && byte != b'$' {
            return Passed::Bytes(vec![byte]); // an acknowledgement or an interrupt
        }
        self.held.push(byte);
        let n = self.held.len();
        let whole = n >= 4 && self.held[n - 3] == b'#';
        if !whole && n <= MOST {
            return Passed::Held;
        }
        let packet = std::mem::take(&mut self.held);
        if whole && is_intact(&packet) && is_wrong(&packet[1..n - 3]) {
            return Passed::Refused(framed(REFUSED));
        }
        Passed::Bytes(packet)
    }
}

fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum: u8, b| sum.wrapping_add(*b))
}

/// A whole packet with this body.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut packet = vec![b'$'];
    packet.extend_from_slice(body);
    packet.extend(format!("#{:02x}", checksum(body)).bytes());
    packet
}

/// The checksum is right: otherwise gdb sends it again.
fn is_intact(packet: &[u8]) -> bool {
    let (body, sum) = (&packet[1..packet.len() - 3], &packet[packet.len() - 2..]);
    std::str::from_utf8(sum).ok().and_then(|s| u8::from_str_radix(s, 16).ok()) == Some(checksum(body))
}

/// A write whose data have another length than it says.
fn is_wrong(body: &[u8]) -> bool {
    let Some((kind @ (b'M' | b'X'), rest)) = body.split_first() else { return false };
    let at = |rest: &[u8], c| rest.iter().position(|b| *b == c);
    let Some((comma, colon)) = at(rest, b',').zip(at(rest, b':')) else { return true };
    let said = rest.get(comma + 1..colon).and_then(|n| std::str::from_utf8(n).ok());
    let Some(said) = said.and_then(|n| usize::from_str_radix(n, 16).ok()) else { return true };
    let data = &rest[colon + 1..];
    match kind {
        b'M' => said.checked_mul(2) != Some(data.len()) || !data.iter().all(u8::is_ascii_hexdigit),
        // 0x7d stands before a byte that is escaped.
        _ => data.len() - data.iter().filter(|b| **b == 0x7d).count() != said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_says_how_long_it_is() {
        let right: [&[u8]; 7] =
            [b"M20000000,2:0102", b"M0,0:", b"X0,0:", b"X0,2:a:", b"X0,2:}\x03b", b"m0,4", b"qC"];
        let wrong: [&[u8]; 9] = [
            b"M20000000,4:0102",
            b"M20000000,1:0102",
            b"M0,2:010",
            b"M0,1:0x",
            b"M0",
            b"M0,:00",
            b"M0,ffffffffffffffff:00",
            b"X0,4:ab",
            b"X0,1:",
        ];
        for (bodies, good) in [(&right[..], true), (&wrong[..], false)] {
            for body in bodies {
                let packet = framed(body);
                let mut writes = Writes::default();
                let (last, first) = packet.split_last().expect("a packet");
                assert!(first.iter().all(|b| writes.pass(*b) == Passed::Held));
                let want =
                    if good { Passed::Bytes(packet.clone()) } else { Passed::Refused(framed(REFUSED)) };
                assert_eq!(writes.pass(*last), want, "{}", String::from_utf8_lossy(body));
            }
        }
    }

    #[test]
    fn what_is_no_packet_passes_at_once_and_a_broken_one_as_it_is() {
        let mut writes = Writes::default();
        assert_eq!(writes.pass(b'+'), Passed::Bytes(vec![b'+']));
        assert_eq!(writes.pass(3), Passed::Bytes(vec![3]));
        let broken = b"$M0,4:01#00";
        let passed: Vec<_> = broken.iter().map(|b| writes.pass(*b)).collect();
        assert_eq!(passed.last(), Some(&Passed::Bytes(broken.to_vec())));
        assert_eq!(writes.pass(b'$'), Passed::Held);
        let endless: Vec<_> = (0..=MOST).map(|_| writes.pass(b'a')).filter(|p| *p != Passed::Held).collect();
        assert!(matches!(&endless[0], Passed::Bytes(b) if b.len() == MOST + 1));
    }
}
