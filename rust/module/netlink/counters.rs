// SPDX-License-Identifier: GPL-2.0

//! The request for the counters of a namespace.

use rlvs_kext::{genetlink::Request, netns::Handle, uapi::counters};

use super::extack::Outcome;
use crate::{state::State, stats::Event};

pub(super) fn get<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let state = ns.state();
    request.reply(|out| {
        out.uint(counters::ENTRIES, u64::from(state.entries()))?;
        out.uint(counters::TEMPLATES, u64::from(state.templates()))?;
        for event in Event::ALL {
            out.uint(event.attribute(), state.events.total(event))?;
        }
        Ok(())
    })?;
    Ok(())
}
