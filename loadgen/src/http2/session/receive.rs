//! Frames from the server, and what they mean for the streams (RFC 9113, sections 5 and 6).

use super::super::fault::{Code, Fault};
use super::super::frame::{Frame, flag, kind, number};
use super::super::hpack::Head;
use super::super::peer::WINDOW_MAX;
use super::super::streams::Stream;
use super::flood::{FOR_A_REQUEST, FOR_DATA};
use super::{End, Event, Session, WINDOW, push_window};

/// The longest header block that is taken, as in HTTP/1.1.
const BLOCK_BYTES_MAX: usize = 256 * 1024;

pub(super) const fn protocol(what: &'static str) -> Fault {
    Fault::Broken(Code::PROTOCOL, what)
}

pub(super) const fn size(what: &'static str) -> Fault {
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
        self.frames += 1;
        self.useless.count(frame.kind)?;
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
            kind::PRIORITY => self.on_priority(frame, events),
            kind::RST_STREAM => self.on_reset(frame, events),
            kind::WINDOW_UPDATE => self.on_window(frame, events),
            kind::SETTINGS => self.on_settings(frame),
            kind::PING => self.on_ping(frame),
            kind::GOAWAY => self.on_goaway(frame, events),
            kind::PUSH_PROMISE => Err(protocol("a push that was refused beforehand")),
            // Unknown types are to be ignored.
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

    /// The same for what says something of an answer: of a stream that has ended by itself there is nothing to say.
    fn check_open(&self, frame: Frame<'_>, is_open: bool) -> Result<(), Fault> {
        self.check_stream(frame)?;
        if is_open || self.cancelled.has(frame.stream) {
            Ok(())
        } else {
            Err(Fault::Broken(
                Code::STREAM_CLOSED,
                "a frame of a stream that has ended",
            ))
        }
    }

    fn on_data(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        let is_open = self.streams.get_mut(frame.stream).is_some();
        self.check_open(frame, is_open)?;
        let content = unpadded(frame)?.len() as u64;
        if content > 0 {
            // This frame, and others that go with it.
            self.useless.forgive(1 + FOR_DATA);
        }
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
        } else if stream.body_bytes > stream.body_bytes_max() {
            self.malformed(frame.stream, "its body is longer than announced", events);
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
        let is_open = self.streams.get_mut(frame.stream).is_some();
        self.check_open(frame, is_open)?;
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
        if let Some(what) = head.malformed {
            self.malformed(id, what, events);
            return Ok(());
        }
        match head.status {
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
        if !stream.has_no_body()
            && stream
                .length
                .is_some_and(|length| length != stream.body_bytes)
        {
            return self.malformed(id, "its body is not as long as announced", events);
        }
        self.useless.forgive(FOR_A_REQUEST);
        // An answer before the request is out: the rest of it is of no use.
        let closed = if stream.sent {
            self.streams.remove(id)
        } else {
            self.reset(id, Code::CANCEL)
        };
        end(closed, End::Answered, events);
    }

    fn malformed(&mut self, id: u32, what: &'static str, events: &mut Vec<Event>) {
        self.refuse(id, Code::PROTOCOL, what, events);
    }

    /// An error of one stream.
    fn refuse(&mut self, id: u32, code: Code, what: &'static str, events: &mut Vec<Event>) {
        let closed = self.reset(id, code);
        end(closed, End::Malformed(what), events);
    }

    /// It says nothing to a client, and may come for any stream.
    fn on_priority(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        const WHAT: &str = "PRIORITY of a wrong length";
        if frame.stream == 0 {
            return Err(protocol("PRIORITY of no stream"));
        }
        if frame.payload.len() == 5 {
            return Ok(());
        }
        // Only what is open can be reset.
        if self.streams.get_mut(frame.stream).is_none() {
            return Err(size(WHAT));
        }
        self.refuse(frame.stream, Code::FRAME_SIZE, WHAT, events);
        Ok(())
    }

    fn on_reset(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.check_stream(frame)?;
        if frame.payload.len() != 4 {
            return Err(size("RST_STREAM of a wrong length"));
        }
        let closed = self.streams.remove(frame.stream);
        if closed.is_some() {
            self.useless.forgive(FOR_A_REQUEST);
        }
        end(closed, End::Reset(Code(number(frame.payload))), events);
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
            if more == 0 {
                self.malformed(frame.stream, "its window is widened by nothing", events);
            } else if stream.window > WINDOW_MAX {
                let what = "its window is too wide";
                self.refuse(frame.stream, Code::FLOW_CONTROL, what, events);
            }
        }
        Ok(())
    }
}

pub(super) fn end(stream: Option<Stream>, end: End, events: &mut Vec<Event>) {
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
