//! An HTTP/2 server of single frames: it does whatever a test says, right or wrong.

use aefm_tests::target::{Target, Wire};
use std::io::Read;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// END_STREAM, and ACK of what has no stream.
pub(super) const END: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A header block of nothing but `:status: 200`.
pub(super) const OK: &[u8] = &[0x88];

/// The server's end of a connection.
pub(super) struct Frames<'a> {
    pub(super) wire: &'a mut Wire,
    /// Whether PINGs are answered.
    pub(super) answers_pings: bool,
}

impl<'a> Frames<'a> {
    /// Takes the client's preface; none if it is gone.
    pub(super) fn accept(wire: &'a mut Wire) -> Option<Self> {
        let mut preface = [0; 24];
        wire.stream().read_exact(&mut preface).ok()?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Some(Self {
            wire,
            answers_pings: true,
        })
    }

    /// The next frame: type, flags, stream, payload.
    pub(super) fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.wire.stream().read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.wire.stream().read_exact(&mut payload).ok()?;
        if head[3] == PING && head[4] & END == 0 && self.answers_pings {
            self.send(PING, END, 0, &payload);
        }
        Some((
            head[3],
            head[4],
            u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        ))
    }

    /// The stream of the next request.
    pub(super) fn request(&mut self) -> Option<u32> {
        loop {
            if let (HEADERS, _, stream, _) = self.next()? {
                return Some(stream);
            }
        }
    }

    /// Sends a frame; false if the client is gone.
    pub(super) fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: impl AsRef<[u8]>,
    ) -> bool {
        self.wire.send(frame(kind, flags, stream, payload))
    }

    pub(super) fn settings(&mut self, pairs: &[(u16, u32)]) -> bool {
        let pair = |(id, value): &(u16, u32)| {
            [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat()
        };
        self.send(
            SETTINGS,
            0,
            0,
            pairs.iter().flat_map(pair).collect::<Vec<_>>(),
        )
    }

    /// A whole answer without a body.
    pub(super) fn answer(&mut self, stream: u32) -> bool {
        self.send(HEADERS, END_HEADERS | END, stream, OK)
    }

    pub(super) fn goaway(&mut self, last: u32) -> bool {
        self.send(GOAWAY, 0, 0, [last.to_be_bytes(), [0; 4]].concat())
    }
}

/// A frame's bytes.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A server that talks to each connection like this after the client's preface.
pub(super) fn talk(script: impl Fn(&mut Frames<'_>) + Send + Sync + 'static) -> Target {
    Target::start(move |wire| {
        if let Some(mut frames) = Frames::accept(wire) {
            script(&mut frames);
        }
    })
}

/// A server that does this with each request; false ends the connection.
pub(super) fn each(
    script: impl Fn(&mut Frames<'_>, u32) -> bool + Send + Sync + 'static,
) -> Target {
    talk(move |frames| {
        frames.settings(&[]);
        while frames
            .request()
            .is_some_and(|stream| script(frames, stream))
        {}
    })
}
