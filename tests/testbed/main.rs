//! Tests of the emulated application.
