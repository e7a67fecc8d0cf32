//! `aefm migrate`: a file of AEFM 0.2.0 in the form of today.

use super::given::{Choice, Unread, load};
use super::{Exit, complain};
use crate::cli::Given;
use crate::handler::Handlers;
use crate::original;
use std::io::{self, Write};

pub(super) fn run(given: &Given, handlers: &Handlers) -> Exit {
    let choice = Choice::of(given);
    let name = choice.name();
    match load(&choice, &given.set, handlers) {
        Ok(loaded) => match loaded.original {
            Some(converted) => {
                let text = original::migrated(&name, &converted);
                // Nobody reads: nothing to do about it.
                drop(io::stdout().write_all(text.as_bytes()));
                Exit::Ok
            }
            None => {
                complain(&format!(
                    "{name} is in the form of today already: nothing in it is of AEFM 0.2.0"
                ));
                Exit::Usage
            }
        },
        Err(Unread::Reason(reason)) => {
            complain(&reason);
            Exit::Usage
        }
        Err(Unread::Faults(sources, faults)) => {
            drop(io::stderr().write_all(sources.show(faults).as_bytes()));
            Exit::Usage
        }
    }
}
