//! Frames about the connection as a whole: settings, pings, and its end.

use super::receive::{end, protocol, size};
use super::{End, Event, Session};
use crate::http2::fault::{Code, Fault};
use crate::http2::frame::{Frame, flag, kind, number, push_header};
use crate::http2::peer::WINDOW_MAX;

/// Answers to PING and SETTINGS that wait for the kernel, bytes: beyond, the server floods us and does not read.
const REPLIES_BYTES_MAX: usize = 1 << 20;

impl Session {
    pub(super) fn on_settings(&mut self, frame: Frame<'_>) -> Result<(), Fault> {
        if frame.stream != 0 {
            return Err(protocol("SETTINGS of a stream"));
        }
        if frame.has(flag::ACK) {
            return if frame.payload.is_empty() {
                Ok(())
            } else {
                Err(size("SETTINGS of a wrong length"))
            };
        }
        let window = self.peer.window;
        self.peer.update(frame.payload)?;
        let wider = self.peer.window - window;
        for stream in self.streams.iter_mut() {
            stream.window += wider;
            if stream.window > WINDOW_MAX {
                return Err(Fault::Broken(Code::FLOW_CONTROL, "a window is too wide"));
            }
        }
        self.greeted = true;
        self.reply(kind::SETTINGS, &[])
    }

    pub(super) fn on_ping(&mut self, frame: Frame<'_>) -> Result<(), Fault> {
        if frame.stream != 0 {
            return Err(protocol("PING of a stream"));
        }
        if frame.payload.len() != 8 {
            return Err(size("PING of a wrong length"));
        }
        if frame.has(flag::ACK) {
            self.pinged_ns = None;
            return Ok(());
        }
        self.reply(kind::PING, frame.payload)
    }

    fn reply(&mut self, kind: u8, payload: &[u8]) -> Result<(), Fault> {
        if self.out.len() > REPLIES_BYTES_MAX {
            return Err(Fault::Broken(
                Code::ENHANCE_YOUR_CALM,
                "the server asks and does not take answers",
            ));
        }
        let out = self.out.end();
        push_header(out, payload.len(), kind, flag::ACK, 0);
        out.extend_from_slice(payload);
        Ok(())
    }

    /// The server takes no more streams, and names the last one that it took.
    pub(super) fn on_goaway(
        &mut self,
        frame: Frame<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        if frame.stream != 0 {
            return Err(protocol("GOAWAY of a stream"));
        }
        if frame.payload.len() < 8 {
            return Err(size("GOAWAY of a wrong length"));
        }
        self.going = true;
        let last = number(frame.payload) & (u32::MAX >> 1);
        let code = Code(number(&frame.payload[4..]));
        while let Some(id) = self.streams.next_above(last) {
            self.cancelled.add(id);
            end(self.streams.remove(id), End::NotTaken(code), events);
        }
        Ok(())
    }
}
