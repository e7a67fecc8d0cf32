//! Tells a flood: frame after frame that brings no request any further. Each costs us little and the server nothing, so
//! that there has to be an end to them.

use crate::http2::fault::Fault;
use crate::http2::frame::kind;

/// As many frames that bring nothing are taken, more than any sound server has reason to send between two answers.
const FRAMES_MAX: u32 = 10_000;
/// What a request's end makes up for: settings, windows and pings that go with it.
pub(super) const FOR_A_REQUEST: u32 = 100;
/// What a frame of data makes up for: the windows of stream and connection, and a ping.
pub(super) const FOR_DATA: u32 = 4;

/// Frames that brought nothing, less what progress has made up for.
#[derive(Debug, Default)]
pub(super) struct Useless(u32);

impl Useless {
    /// A frame has come.
    ///
    /// # Errors
    /// There have been too many of them.
    pub(super) fn count(&mut self, kind: u8) -> Result<(), Fault> {
        self.0 += 1;
        if self.0 > FRAMES_MAX {
            return Err(Fault::Flood(name(kind)));
        }
        Ok(())
    }

    /// A request has come further.
    pub(super) fn forgive(&mut self, frames: u32) {
        self.0 = self.0.saturating_sub(frames);
    }
}

const fn name(kind: u8) -> &'static str {
    match kind {
        kind::DATA => "empty DATA frames",
        kind::HEADERS => "HEADERS frames",
        kind::PRIORITY => "PRIORITY frames",
        kind::RST_STREAM => "RST_STREAM frames",
        kind::SETTINGS => "SETTINGS frames",
        kind::PING => "PING frames",
        kind::GOAWAY => "GOAWAY frames",
        kind::WINDOW_UPDATE => "WINDOW_UPDATE frames",
        kind::CONTINUATION => "CONTINUATION frames",
        _ => "frames of unknown types",
    }
}
