//! Frames from the server, and what they mean for the streams (RFC 9113, sections 5 and 6).

use super::super::fault::{Code, Fault};
use super::super::frame::{Frame, flag, kind, number, push_header};
use super::super::hpack::Head;
use super::super::peer::WINDOW_MAX;
use super::super::streams::Stream;
use super::{End, Event, Session, WINDOW, push_window};

/// The longest header block that is taken, as in HTTP/1.1.
const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// Answers to PING and SETTINGS that wait for the kernel, bytes: beyond, the server floods us and does not read.
const REPLIES_BYTES_MAX: usize = 1 << 20;

const fn protocol(what: &'static str) -> Fault {
    Fault::Broken(Code::PROTOCOL, what)
}

const fn size(what: &'static str) -> Fault {
    Fault::Broken(Code::FRAME_SIZE, what)
}

impl Session {
    /// Takes what has come, and appends what has happened to `events`.
    ///
    /// # Errors
    /// The connection cannot go on; what happened before is in `events`.
    pub(crate) fn feed(&mut self, mut piece: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if !self.greeted && piece.starts_with(b"HTTP/") {
            return Err(Fault::Http1);
        }
        // Taken out, so that a frame can lie in it while the rest of the session changes.
        let mut pieces = std::mem::take(&mut self.pieces);
        while let Some(frame) = pieces
            .next(&mut piece)
            .map_err(|fault| self.as_first(fault))?
        {
            self.take_frame(frame, events)?;
        }
        self.pieces = pieces;
        Ok(())
    }

    /// A fault in the first frame means that it is no HTTP/2 at all.
    fn as_first(&self, fault: Fault) -> Fault {
        if self.greeted { fault } else { Fault::Preface }
    }

    fn take_frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        if !self.greeted && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            return Err(Fault::Preface);
        }
        if self
            .block_of
            .is_some_and(|(id, _)| frame.kind != kind::CONTINUATION || frame.stream != id)
        {
            return Err(protocol("a header block is interrupted"));
        }
        match frame.kind {
            kind::DATA => self.on_data(frame, events),
            kind::HEADERS => self.on_headers(frame, events),
            kind::CONTINUATION => self.on_continuation(frame, events),
            kind::RST_STREAM => self.on_reset(frame, events),
            kind::WINDOW_UPDATE => self.on_window(frame, events),
            kind::SETTINGS => self.on_settings(frame),
            kind::PING => self.on_ping(frame),
            kind::GOAWAY => self.on_goaway(frame, events),
            kind::PUSH_PROMISE => Err(protocol("a push that was refused beforehand")),
            // PRIORITY says nothing to a client, and unknown types are to be ignored.
            _ => Ok(()),
        }
    }

    /// Frames of streams that we have opened are for those; of such that are closed already they are ignored.
    fn check_stream(&self, frame: Frame<'_>) -> Result<(), Fault> {
        if self.streams.knows(frame.stream) {
            Ok(())
        } else {
            Err(protocol("a frame of a stream that is not open"))
        }
    }

    fn on_data(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.check_stream(frame)?;
        let content = unpadded(frame)?.len() as u64;
        let count = frame.payload.len() as u32;
        self.taken += count;
        if self.taken >= WINDOW / 2 {
            push_window(self.out.end(), 0, std::mem::take(&mut self.taken));
        }
        let Some(stream) = self.streams.get_mut(frame.stream) else {
            return Ok(());
        };
        stream.bytes += frame.bytes();
        stream.body_bytes += content;
        if stream.status == 0 {
            self.malformed(frame.stream, "a body comes before its head", events);
        } else if frame.has(flag::END_STREAM) {
            self.finish(frame.stream, events);
        } else {
            stream.taken += count;
            if stream.taken >= WINDOW / 2 {
                push_window(
                    self.out.end(),
                    frame.stream,
                    std::mem::take(&mut stream.taken),
                );
            }
        }
        Ok(())
    }

    fn on_headers(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.check_stream(frame)?;
        let mut block = unpadded(frame)?;
        if frame.has(flag::PRIORITY) {
            block = block
                .get(5..)
                .ok_or(size("HEADERS too short for their priority"))?;
        }
        self.count_head(frame, events);
        if frame.has(flag::END_HEADERS) {
            return self.on_head(frame.stream, frame.has(flag::END_STREAM), block, events);
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        self.block_of = Some((frame.stream, frame.has(flag::END_STREAM)));
        Ok(())
    }

    fn on_continuation(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        let (id, last) = self.block_of.ok_or(protocol("a CONTINUATION of nothing"))?;
        self.count_head(frame, events);
        self.block.extend_from_slice(frame.payload);
        if self.block.len() > BLOCK_BYTES_MAX {
            return Err(Fault::Broken(
                Code::ENHANCE_YOUR_CALM,
                "a header block is too long",
            ));
        }
        if frame.has(flag::END_HEADERS) {
            self.block_of = None;
            let block = std::mem::take(&mut self.block);
            self.on_head(id, last, &block, events)?;
            self.block = block;
        }
        Ok(())
    }

    fn count_head(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) {
        if let Some(stream) = self.streams.get_mut(frame.stream) {
            stream.bytes += frame.bytes();
            if !std::mem::replace(&mut stream.begun, true) {
                events.push(Event::Begun { key: stream.key });
            }
        }
    }

    /// A header block is complete: an interim answer's, the answer's, or trailers.
    fn on_head(
        &mut self,
        id: u32,
        last: bool,
        block: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        let head = Head::read(block)?;
        match head.status {
            _ if head.malformed => self.malformed(id, "its head makes no sense", events),
            None if stream.status > 0 && last => self.finish(id, events),
            Some(status @ 100..200) if stream.status == 0 && !last && status != 101 => {}
            Some(status @ 200..) if stream.status == 0 => {
                stream.status = status;
                stream.length = head.length;
                if last {
                    self.finish(id, events);
                }
            }
            _ => self.malformed(id, "its heads make no sense", events),
        }
        Ok(())
    }

    /// The server has ended a stream.
    fn finish(&mut self, id: u32, events: &mut Vec<Event>) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let bodiless = stream.bodiless || matches!(stream.status, 204 | 304);
        if !bodiless
            && stream
                .length
                .is_some_and(|length| length != stream.body_bytes)
        {
            return self.malformed(id, "its body is not as long as announced", events);
        }
        // An answer before the request is out: the rest of it is of no use.
        let closed = if stream.sent {
            self.streams.remove(id)
        } else {
            self.reset(id, Code::CANCEL)
        };
        end(closed, End::Answered, events);
    }

    fn malformed(&mut self, id: u32, what: &'static str, events: &mut Vec<Event>) {
        let closed = self.reset(id, Code::PROTOCOL);
        end(closed, End::Malformed(what), events);
    }

    fn on_reset(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.check_stream(frame)?;
        if frame.payload.len() != 4 {
            return Err(size("RST_STREAM of a wrong length"));
        }
        end(
            self.streams.remove(frame.stream),
            End::Reset(Code(number(frame.payload))),
            events,
        );
        Ok(())
    }

    fn on_window(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        if frame.payload.len() != 4 {
            return Err(size("WINDOW_UPDATE of a wrong length"));
        }
        let more = i64::from(number(frame.payload) & (u32::MAX >> 1));
        if frame.stream == 0 {
            self.window += more;
            return match more {
                0 => Err(protocol("a window is widened by nothing")),
                _ if self.window > WINDOW_MAX => {
                    Err(Fault::Broken(Code::FLOW_CONTROL, "a window is too wide"))
                }
                _ => Ok(()),
            };
        }
        self.check_stream(frame)?;
        if let Some(stream) = self.streams.get_mut(frame.stream) {
            stream.window += more;
            if more == 0 || stream.window > WINDOW_MAX {
                self.malformed(frame.stream, "its window makes no sense", events);
            }
        }
        Ok(())
    }

    fn on_settings(&mut self, frame: Frame<'_>) -> Result<(), Fault> {
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

    fn on_ping(&mut self, frame: Frame<'_>) -> Result<(), Fault> {
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
    fn on_goaway(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        if frame.payload.len() < 8 || frame.stream != 0 {
            return Err(size("GOAWAY of a wrong length or of a stream"));
        }
        self.going = true;
        let last = number(frame.payload) & (u32::MAX >> 1);
        let code = Code(number(&frame.payload[4..]));
        while let Some(id) = self.streams.next_above(last) {
            end(self.streams.remove(id), End::NotTaken(code), events);
        }
        Ok(())
    }
}

fn end(stream: Option<Stream>, end: End, events: &mut Vec<Event>) {
    if let Some(Stream {
        key, status, bytes, ..
    }) = stream
    {
        events.push(Event::Ended {
            key,
            end,
            status,
            bytes,
        });
    }
}

/// The payload of DATA or HEADERS without its padding.
fn unpadded(frame: Frame<'_>) -> Result<&[u8], Fault> {
    if !frame.has(flag::PADDED) {
        return Ok(frame.payload);
    }
    let (&padding, rest) = frame
        .payload
        .split_first()
        .ok_or(size("a padded frame without padding"))?;
    rest.split_at_checked(rest.len().wrapping_sub(usize::from(padding)))
        .map(|(content, _)| content)
        .ok_or(protocol("more padding than payload"))
}
