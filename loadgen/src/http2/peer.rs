//! What the server asks for in its SETTINGS (RFC 9113, section 6.5).

use super::fault::{Code, Fault};
use super::frame::{PAYLOAD_BYTES_MAX, number};

/// The largest a flow-control window may get.
pub(super) const WINDOW_MAX: i64 = (1 << 31) - 1;

const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// The server's settings, as far as a client without a table and without push has to know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Streams that may be open at a time.
    pub(super) streams_max: u32,
    /// The window of a new stream, bytes.
    pub(super) window: i64,
    /// The longest payload that it takes.
    pub(super) payload_bytes_max: usize,
}

impl Default for Peer {
    /// What holds until the server says something else.
    fn default() -> Self {
        Self {
            streams_max: u32::MAX,
            window: 65_535,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
        }
    }
}

impl Peer {
    /// Takes the payload of a SETTINGS frame.
    ///
    /// # Errors
    /// A value out of its range, or half a setting.
    pub(super) fn update(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if !payload.len().is_multiple_of(6) {
            return Err(Fault::Broken(
                Code::FRAME_SIZE,
                "SETTINGS of a wrong length",
            ));
        }
        for setting in payload.chunks_exact(6) {
            let value = number(&setting[2..]);
            match u16::from_be_bytes([setting[0], setting[1]]) {
                // Pushes are for servers to send, never to allow.
                ENABLE_PUSH if value != 0 => {
                    return Err(Fault::Broken(
                        Code::PROTOCOL,
                        "a server's ENABLE_PUSH other than 0",
                    ));
                }
                MAX_CONCURRENT_STREAMS => self.streams_max = value,
                INITIAL_WINDOW_SIZE if i64::from(value) <= WINDOW_MAX => {
                    self.window = i64::from(value);
                }
                INITIAL_WINDOW_SIZE => {
                    return Err(Fault::Broken(
                        Code::FLOW_CONTROL,
                        "an INITIAL_WINDOW_SIZE out of range",
                    ));
                }
                MAX_FRAME_SIZE if (16_384..1 << 24).contains(&value) => {
                    self.payload_bytes_max = value as usize;
                }
                MAX_FRAME_SIZE => {
                    return Err(Fault::Broken(
                        Code::PROTOCOL,
                        "a MAX_FRAME_SIZE out of range",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Appends our own SETTINGS frame's payload: no table for the server's encoder, no push, and so wide a window a stream.
pub(super) fn push_own(out: &mut Vec<u8>, window: u32) {
    const HEADER_TABLE_SIZE: u16 = 1;
    for (setting, value) in [
        (HEADER_TABLE_SIZE, 0),
        (ENABLE_PUSH, 0),
        (INITIAL_WINDOW_SIZE, window),
    ] {
        out.extend_from_slice(&setting.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Bytes of [`push_own`].
pub(super) const OWN_BYTES: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
        pairs
            .iter()
            .flat_map(|(id, value)| {
                [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat()
            })
            .collect()
    }

    #[test]
    fn settings_are_taken_and_wrong_ones_refused() {
        let mut peer = Peer::default();
        peer.update(&settings(&[
            (2, 0),
            (3, 7),
            (4, 1),
            (5, 20_000),
            (99, 5),
            (3, 8),
        ]))
        .unwrap();
        assert_eq!(
            peer,
            Peer {
                streams_max: 8,
                window: 1,
                payload_bytes_max: 20_000
            }
        );
        for (id, value) in [(2, 1), (2, 2), (4, 1 << 31), (5, 16_383), (5, 1 << 24)] {
            assert!(peer.update(&settings(&[(id, value)])).is_err());
        }
        assert!(peer.update(&[0; 5]).is_err());
    }

    #[test]
    fn our_own_have_the_length_that_is_announced() {
        let mut out = Vec::new();
        push_own(&mut out, 1 << 20);
        assert_eq!(out.len(), OWN_BYTES);
    }
}
